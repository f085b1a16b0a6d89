//! One sentence or more per language, with everything that must be found in it.

use super::check_all;

#[test]
fn arabic() {
    check_all(&[
        (
            "وصل جون كيري إلى موسكو للقاء لافروف",
            &["john-kerry=جون كيري", "russia=موسكو", "sergey-lavrov=لافروف"],
        ),
        (
            "قصف الجيش العربي السوري مواقع جبهة ألنصره وداعش",
            &[
                "syrian-arab-army=الجيش العربي السوري",
                "al-nusra-front=جبهة ألنصره",
                "islamic-state=داعش",
            ],
        ),
        (
            "اجتمع الائتلاف السوري مع الجيش الحر في تركيا",
            &[
                "syrian-national-coalition=الائتلاف السوري",
                "free-syrian-army=الجيش الحر",
                "turkey=تركيا",
            ],
        ),
        (
            "ندد بان كي مون بالقصف وحذّرت ألجامعه العربية",
            &["ban-ki-moon=بان كي مون", "arab-league=ألجامعه العربية"],
        ),
        (
            "رفضت الولايات المتحدة الامريكيه ألازمه",
            &["united-states=الولايات المتحدة الامريكيه"],
        ),
        (
            "قال موسى أبو مرزوق إن حركة حماس ترفض ذلك",
            &["mousa-abu-marzouk=موسى أبو مرزوق", "hamas=حركة حماس"],
        ),
        (
            "اتهم خامنئي الكيان الصهيوني بالعدوان",
            &["ali-khamenei=خامنئي", "israel=الكيان الصهيوني"],
        ),
        (
            "بحث عبد الفتاح السيسى مع الملك سلمان الأزمة",
            &[
                "abdel-fattah-el-sisi=عبد الفتاح السيسى",
                "king-salman=الملك سلمان",
            ],
        ),
    ]);
}

#[test]
fn english() {
    check_all(&[
        (
            "President Obama met Vladimir Putin in Geneva.",
            &[
                "barack-obama=President Obama",
                "vladimir-putin=Vladimir Putin",
            ],
        ),
        (
            "Turkey's army crossed into Syria, the U.S. said.",
            &["turkey=Turkey", "syria=Syria", "united-states=U.S."],
        ),
        (
            "The United States, not the United Nations, vetoed it.",
            &[
                "united-states=United States",
                "united-nations=United Nations",
            ],
        ),
        (
            "Hezbollah-backed fighters and the Syrian Arab Army",
            &["hezbollah=Hezbollah", "syrian-arab-army=Syrian Arab Army"],
        ),
        (
            "Ban Ki-moon criticised the UN Security Council",
            &[
                "ban-ki-moon=Ban Ki-moon",
                "un-security-council=UN Security Council",
            ],
        ),
        (
            "Bashar al‑Assad spoke; Assad's allies listened",
            &["bashar-al-assad=Bashar al‑Assad", "bashar-al-assad=Assad"],
        ),
    ]);
}

#[test]
fn russian() {
    check_all(&[
        (
            "Президент Владимир Путин позвонил Башару Асаду.",
            &[
                "vladimir-putin=Владимир Путин",
                "bashar-al-assad=Башару Асаду",
            ],
        ),
        (
            "Встреча Путина с Лавровым и главой Соединённых Штатов",
            &[
                "vladimir-putin=Путина",
                "sergey-lavrov=Лавровым",
                "united-states=Соединённых Штатов",
            ],
        ),
        (
            "Россия осудила удары США и ИГИЛ; российские самолёты",
            &[
                "russia=Россия",
                "united-states=США",
                "islamic-state=ИГИЛ",
                "~russia=российские",
            ],
        ),
        (
            "боевики Исламского государства и Свободной сирийской армии",
            &[
                "islamic-state=Исламского государства",
                "free-syrian-army=Свободной сирийской армии",
            ],
        ),
        (
            "в Совете Безопасности ООН говорили об Израиле",
            &[
                "un-security-council=Совете Безопасности ООН",
                "israel=Израиле",
            ],
        ),
    ]);
}

#[test]
fn ukrainian() {
    check_all(&[
        (
            "Володимира Зеленського підтримали в Україні та НАТО.",
            &[
                "volodymyr-zelensky=Володимира Зеленського",
                "ukraine=Україні",
                "nato=НАТО",
            ],
        ),
        (
            "Путіну не вірять ні в Росії, ні в Америці",
            &[
                "vladimir-putin=Путіну",
                "russia=Росії",
                "united-states=Америці",
            ],
        ),
    ]);
}

#[test]
fn french() {
    check_all(&[
        (
            "L'Iran et l’Arabie saoudite dénoncent Vladimir Poutine.",
            &[
                "iran=Iran",
                "saudi-arabia=Arabie saoudite",
                "vladimir-putin=Vladimir Poutine",
            ],
        ),
        (
            "Les États-Unis et l'Union européenne contre Daech",
            &[
                "united-states=États-Unis",
                "european-union=Union européenne",
                "islamic-state=Daech",
            ],
        ),
        (
            "La Syrie de Bachar el-Assad, l'armée syrienne",
            &[
                "syria=Syrie",
                "bashar-al-assad=Bachar el-Assad",
                "syrian-arab-army=armée syrienne",
            ],
        ),
    ]);
}

#[test]
fn german() {
    check_all(&[
        (
            "Russlands Präsident kritisiert Angela Merkels Politik.",
            &["russia=Russlands", "angela-merkel=Angela Merkels"],
        ),
        (
            "Die Vereinigten Staaten und die NATO stehen zur Türkei",
            &[
                "united-states=Vereinigten Staaten",
                "nato=NATO",
                "turkey=Türkei",
            ],
        ),
        (
            "Die russische Regierung; Russland schweigt",
            &["~russia=russische", "russia=Russland"],
        ),
    ]);
}

#[test]
fn spanish_italian_portuguese() {
    check_all(&[
        (
            "El presidente Pedro Sánchez viajó a Rusia y a EE.UU.",
            &[
                "pedro-sanchez=Pedro Sánchez",
                "russia=Rusia",
                "united-states=EE.UU.",
            ],
        ),
        (
            "El ejército sirio bombardea; Siria calla",
            &["syrian-arab-army=ejército sirio", "syria=Siria"],
        ),
        (
            "Giorgia Meloni difende Israele e gli Stati Uniti",
            &[
                "giorgia-meloni=Giorgia Meloni",
                "israel=Israele",
                "united-states=Stati Uniti",
            ],
        ),
        (
            "O presidente Lula criticou a Rússia e a ONU",
            &[
                "luiz-inacio-lula-da-silva=Lula",
                "russia=Rússia",
                "united-nations=ONU",
            ],
        ),
    ]);
}

#[test]
fn turkish() {
    check_all(&[
        (
            "Türkiye'nin cumhurbaşkanı Recep Tayyip Erdoğan Rusya’ya gitti.",
            &[
                "turkey=Türkiye",
                "recep-tayyip-erdogan=Recep Tayyip Erdoğan",
                "russia=Rusya",
            ],
        ),
        (
            "Suriyede ve Irakta savaş sürüyor",
            &["syria=Suriyede", "iraq=Irakta"],
        ),
        (
            "İSRAİL VE İRAN ARASINDA SAVAŞ",
            &["israel=İSRAİL", "iran=İRAN"],
        ),
    ]);
}

#[test]
fn hebrew() {
    check_all(&[
        (
            "נתניהו אמר שישראל לא תיכנע לאיראן ולחמאס",
            &[
                "benjamin-netanyahu=נתניהו",
                "israel=ישראל",
                "iran=איראן",
                "hamas=חמאס",
            ],
        ),
        (
            "בארצות הברית ובסוריה מגנים את צה״ל",
            &[
                "united-states=ארצות הברית",
                "syria=סוריה",
                "israel-defense-forces=צה״ל",
            ],
        ),
        (
            "שרי החוץ של האיחוד האירופי ובאיחוד האירופי",
            &[
                "european-union=האיחוד האירופי",
                "european-union=איחוד האירופי",
            ],
        ),
    ]);
}

#[test]
fn persian_and_urdu() {
    check_all(&[
        (
            "حسن روحانی در ترکیه با اردوغان دیدار کرد که این",
            &[
                "hassan-rouhani=حسن روحانی",
                "turkey=ترکیه",
                "recep-tayyip-erdogan=اردوغان",
            ],
        ),
        (
            "حزب‌الله لبنان از سوریه و رژیم صهیونیستی گفت است را",
            &[
                "hezbollah=حزب‌الله لبنان",
                "syria=سوریه",
                "israel=رژیم صهیونیستی",
            ],
        ),
        (
            "وزیراعظم عمران خان نے بھارت اور امریکہ کے بارے میں کہا",
            &[
                "imran-khan=عمران خان",
                "india=بھارت",
                "united-states=امریکہ",
            ],
        ),
    ]);
}

#[test]
fn hindi() {
    check_all(&[
        (
            "प्रधानमंत्री नरेंद्र मोदी ने पाकिस्तान और चीन की आलोचना की",
            &["narendra-modi=नरेंद्र मोदी", "pakistan=पाकिस्तान", "china=चीन"],
        ),
        (
            "अमेरिका में डोनाल्ड ट्रंप",
            &["united-states=अमेरिका", "donald-trump=डोनाल्ड ट्रंप"],
        ),
        (
            "फ्रांस की सरकार, फ़्रांस की सेना",
            &["france=फ्रांस", "france=फ़्रांस"],
        ),
    ]);
}

#[test]
fn chinese_and_japanese() {
    check_all(&[
        (
            "美国总统特朗普批评中国和欧盟",
            &[
                "united-states=美国",
                "donald-trump=特朗普",
                "china=中国",
                "european-union=欧盟",
            ],
        ),
        (
            "发展中国家支持联合国安理会",
            &["un-security-council=联合国安理会"],
        ),
        (
            "印度尼西亚与印度签署协议",
            &["indonesia=印度尼西亚", "india=印度"],
        ),
        (
            "巴拉克·奥巴马与普京会晤",
            &["barack-obama=巴拉克·奥巴马", "vladimir-putin=普京"],
        ),
        (
            "ロシアのプーチン大統領はアメリカを批判した",
            &[
                "russia=ロシア",
                "vladimir-putin=プーチン",
                "united-states=アメリカ",
            ],
        ),
        ("ラテンアメリカとインドネシア", &["indonesia=インドネシア"]),
    ]);
}

/// Texts of the corpora in which annotators found that a name was somebody or something else.
#[test]
fn what_only_looks_like_an_actor() {
    check_all(&[
        ("لولا الدعم لما نجح المشروع", &[]),
        ("فاز ريال مدريد على أتلتيكو مدريد وباريس سان جيرمان", &[]),
        ("قص القرآن علينا خبر بني إسرائيل", &[]),
        ("قال الموسيقي فاجنر في رسالة", &[]),
        ("التقى ديلي علي زملاءه وكلاوس المدرب", &[]),
        ("نصف قطر الدائرة عشرة أمتار", &[]),
        ("شجع الجمهور الفريق بكل حماس في كوبا أمريكا", &[]),
        ("قرر الاتحاد الأوروبي لكرة القدم تأجيل المباراة", &[]),
        ("самое важное о гавани", &[]),
        (
            "قال لولا دا سيلفا إن البرازيل لا تخشى أحدا",
            &["luiz-inacio-lula-da-silva=لولا دا سيلفا", "brazil=البرازيل"],
        ),
        (
            "أعلنت قطر وإسرائيل وحماس في طرابلس",
            &["qatar=قطر", "israel=إسرائيل", "hamas=حماس"],
        ),
        (
            "قال لبنان إن طرابلس هادئة",
            &["lebanon=لبنان", "lebanon=طرابلس"],
        ),
        (
            "قالت ليبيا إن طرابلس هادئة",
            &["libya=ليبيا", "libya=طرابلس"],
        ),
        (
            "فاز حزب العدالة والتنمية في الانتخابات المغربية",
            &["pjd-morocco=حزب العدالة والتنمية", "~pjd-morocco=المغربية"],
        ),
        ("kabul etmek en kolayı", &[]),
        ("Real Madrid won under the Lisbon Treaty", &[]),
    ]);
}
