use crate::text::CleanText;

/// Cleans a text; what must stay and what must go are told by words.
fn check(page: &str, stays: &[&str], goes: &[&str]) -> String {
    let clean = CleanText::new(page, true, &[]).unwrap();
    for word in stays {
        assert!(page.contains(word), "the fixture has no {word}");
        assert!(
            clean.text().contains(word),
            "lost {word} in\n{}",
            clean.text()
        );
    }
    for word in goes {
        assert!(page.contains(word), "the fixture has no {word}");
        assert!(
            !clean.text().contains(word),
            "kept {word} in\n{}",
            clean.text()
        );
    }
    clean.text().to_owned()
}

fn kept_whole(text: &str) {
    let clean = CleanText::new(text, true, &[]).unwrap();
    assert!(
        clean.set_aside().is_empty(),
        "{:?}",
        clean
            .set_aside()
            .iter()
            .map(|span| &text[span.clone()])
            .collect::<Vec<_>>()
    );
}

#[test]
fn english_page() {
    let text = check(
        include_str!("fixtures/en_page.txt"),
        &[
            "Why the Security Council",
            "could not agree",
            "did not ask for money",
            "A question of words",
            "Diplomats will say",
            "The European Union",
            "Anna Pellworth teaches",
        ],
        &[
            "Home |",
            "cookies",
            "Accept all",
            "Zimbabwe",
            "Rotterdam",
            "Mongolia",
            "Tweet",
            "Ghana",
            "Tags",
            "Bolivia",
            "Kenya",
            "Australia",
            "Thank you",
            "Submit",
            "Privacy",
            "©",
        ],
    );
    assert!(text.starts_with("Why the Security Council"), "{text}");
}

#[test]
fn russian_page() {
    check(
        include_str!("fixtures/ru_page.txt"),
        &[
            "Зачем Турции",
            "Турция снова",
            "Главное возражение",
            "НАТО в этом",
            "Анкаре стоило",
        ],
        &[
            "Главная\n",
            "cookie",
            "Грузия",
            "Бразилии",
            "Япония",
            "Индия",
            "Ключевые",
            "Telegram",
            "Иран",
            "Аргентина",
            "Имя",
            "права защищены",
        ],
    );
}

#[test]
fn arabic_page() {
    check(
        include_str!("fixtures/ar_page.txt"),
        &[
            "على الأمم المتحدة أن",
            "زارت بعثة",
            "من يدفع الثمن",
            "تقول الحكومة",
            "أما روسيا",
        ],
        &[
            "رياضة",
            "المغرب",
            "الهند",
            "اليمن",
            "السودان",
            "أفغانستان",
            "undefined",
            "طباعة",
            "كلمات مفتاحية",
            "البرازيل",
            "كوبا",
            "التعليقات",
            "إرسال",
            "جميع الحقوق",
        ],
    );
}

#[test]
fn persian_page() {
    check(
        include_str!("fixtures/fa_page.txt"),
        &[
            "ترکیه در ده سال",
            "سازمان ملل متحد می‌تواند",
            "روسیه نیز باید",
        ],
        &[
            "ورزش",
            "برزیل",
            "ژاپن",
            "شیلی",
            "مغولستان",
            "برچسب",
            "آرژانتین",
            "سوئیس",
            "ایمیل",
            "کلیه حقوق",
        ],
    );
}

#[test]
fn german_page() {
    check(
        include_str!("fixtures/de_page.txt"),
        &[
            "Die Grenze liegt",
            "Die Europäische Union streitet",
            "»Wir brauchen",
            "Das stimmt",
            "Die Türkei",
            "Wer das ändern",
        ],
        &[
            "Startseite",
            "Cookies",
            "Anzeige",
            "Island",
            "Marokko",
            "Uruguay",
            "Käse",
            "Thailand",
            "Absenden",
            "AGB",
        ],
    );
}

#[test]
fn chinese_page() {
    check(
        include_str!("fixtures/zh_page.txt"),
        &[
            "联合国应当倾听",
            "上周，安全理事会",
            "这些国家没有要钱",
            "欧盟从第一稿",
        ],
        &[
            "财经",
            "巴西",
            "蒙古",
            "秘鲁",
            "标签",
            "肯尼亚",
            "日本",
            "姓名",
            "版权所有",
        ],
    );
}

#[test]
fn spanish_page() {
    check(
        include_str!("fixtures/es_page.txt"),
        &[
            "La OTAN no puede",
            "Cada vez que",
            "La alianza ha cumplido",
            "La Unión Europea, mientras",
            "Una cumbre no",
        ],
        &[
            "Deportes",
            "cookies",
            "Noruega",
            "Bélgica",
            "Dinamarca",
            "Hungría",
            "Argelia",
            "Archivado",
            "Lisboa",
            "Filipinas",
            "Kazajistán",
            "Normas",
        ],
    );
}

#[test]
fn turkish_page() {
    check(
        include_str!("fixtures/tr_page.txt"),
        &[
            "Boğazdan geçen",
            "Birleşmiş Milletler'in",
            "Rusya'nın anlaşmadan",
            "Ankara'ya düşen",
        ],
        &[
            "Gündem",
            "Finlandiya",
            "Meksika",
            "Yazdır",
            "Mısır",
            "Romanya",
            "Yorumlar",
            "Gönder",
            "saklıdır",
        ],
    );
}

#[test]
fn short_plain_inputs_are_kept_whole() {
    for text in [
        "NATO",
        "Comments",
        "undefined",
        "Just landed in Geneva. Share if you agree! #UN",
        "Türkiye karar verdi",
        "Notes\nCall the embassy\nAsk about Syria",
        "Home\nis where\nthe heart is\n\nHome\nis far",
        "Россия\nУкраина\nНАТО\nЕС\nООН\nТурция\nИран\nИрак",
        "سوريا يا حبيبتي\nأعدت لي كرامتي\nأعدت لي هويتي\nسوريا يا حبيبتي\nأعدت لي كرامتي",
        "Breaking:\n- Russia leaves the talks\n- Turkey stays\n- EU silent\nMore later.",
        "RT @user: @other I love this https://example.org/a\nYes!",
    ] {
        kept_whole(text);
    }
}

#[test]
fn articles_without_furniture_are_kept_whole() {
    let paragraph = "The talks in Geneva ended without a result, and nobody in the room pretended otherwise when the doors opened at last.";
    let list: Vec<String> = (1..=9).map(|n| format!("the demand number {n}")).collect();
    let list = list.join(
        "
",
    );
    for text in [
        format!(
            "A headline about the talks\nBy somebody\n3 May 2020\n\n{paragraph}\n\n{paragraph} Again.\n\nSomebody writes about Geneva"
        ),
        // A list that is a good part of the text.
        format!("{paragraph}\n\n{list}"),
        // Dialogue.
        format!(
            "{paragraph}\n– Why?\n– Nobody knows.\n– Then ask!\n– Whom?\n– Anybody.\n– Fine.\n{paragraph}"
        ),
        // Headings and a separator.
        format!("One\n{paragraph}\n***\nTwo\n{paragraph}\n***\nThree\n{paragraph}"),
        // A column that happens to name what pages name.
        format!(
            "{paragraph}\nThe newsletter of the ministry said so. Comments were not allowed, and the home page was silent.\n{paragraph}"
        ),
        // A poem inside an essay, with a refrain.
        format!(
            "{paragraph}\n\nO city by the lake\nwhat did you hear\nO city by the lake\nwhat did you fear\n\n{paragraph}"
        ),
    ] {
        kept_whole(&text);
    }
}

#[test]
fn a_long_document_keeps_its_lists_and_both_ends() {
    let paragraph = "The delegates of the islands spoke about the rising sea and about the law, and the council listened for most of the afternoon.\n";
    let list: Vec<String> = (0..300)
        .map(|n| format!("entry {n} of the annex"))
        .collect();
    let list = list.join(
        "
",
    );
    let text = format!("{}{list}\n{}", paragraph.repeat(60), paragraph.repeat(200));
    let clean = CleanText::new(&text, true, &[]).unwrap();
    assert_eq!(clean.text().matches("rising sea").count(), 260);
}

#[test]
fn comments_longer_than_the_article_do_not_replace_it() {
    let article = "The union was right to sign the treaty with the islands, because nobody else had offered them anything at all. It should sign the next one as well, and soon, before the fishing season begins again. The islands have waited for this signature longer than the union has existed, and they have been patient.\n";
    let comment = "user\nWhat a strange idea, somebody should ask the fishermen of Norway about it before anything is written down in a newspaper like this.\nReply\n";
    let page = format!(
        "Home\nSign in\nA treaty for the islands\n{article}{article}Comments (40)\n{}",
        comment.repeat(40)
    );
    let text = check(
        &page,
        &["A treaty for the islands", "right to sign"],
        &["Norway", "Sign in"],
    );
    assert!(text.trim_end().ends_with("patient."));
}

#[test]
fn several_pages_in_one_text_keep_all_their_articles() {
    let page = include_str!("fixtures/en_page.txt");
    let clean = CleanText::new(&page.repeat(3), true, &[]).unwrap();
    assert_eq!(clean.text().matches("could not agree").count(), 3);
    assert_eq!(clean.text().matches("Why the Security Council").count(), 3);
    assert!(!clean.text().contains("Australia") && !clean.text().contains("Bolivia"));
}

/// The pasted page among the samples that the project was given; they are not part of the
/// repository.
#[test]
fn sample_page_loses_its_menus() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/samples/002_3a1ba17e5626a42f.txt"
    );
    let Ok(page) = std::fs::read_to_string(path) else {
        eprintln!("skipped: {path} is not there");
        return;
    };
    let text = check(
        &page,
        &[
            "الوقت- بالأمس، أكد رئيس مكتب",
            "العلاقة بين حماس وسوريا",
            "وتظهر مواقف حماس",
            "استعادة العلاقات: الأسباب والتداعيات والتحديات",
            "العام الماضي، أوضح",
            "وإن تداعيات استعادة",
            "وعن التحديات المستقبلية",
            "الخلاصة، إن تحسن",
            "وإن الاستفادة",
        ],
        &[
            "اليمن",
            "صفقة القرن",
            "سناوير",
            "العلویون",
            "الدروز",
            "یوم القدس",
            "undefined",
            "رحمة تركيا",
            "التعليقات",
            "كلمات مفتاحية",
            "New node",
            "القطيعة",
            "الخلافات التركية",
            "alwaght",
        ],
    );
    let last = text.lines().last().unwrap();
    assert!(last.contains("وإن الاستفادة"), "{last}");
    let body = page.find("الوقت- بالأمس").unwrap();
    let from = CleanText::new(&page, true, &[])
        .unwrap()
        .from_original(body..page.len())
        .unwrap();
    assert!(
        text[..from.start].lines().count() <= 2,
        "{}",
        &text[..from.start]
    );
}

#[test]
fn sample_columns_are_kept_whole() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/samples");
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: {folder} is not there");
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("002_") {
            kept_whole(&std::fs::read_to_string(path).unwrap());
        }
    }
}
