//! Function words, the most common languages first.

/// Codes of languages, and function words of each.
pub(super) type Words = &'static [(&'static str, &'static str)];

/// Of languages that share a script.
pub(super) const ARABIC: Words = &[
    (
        "ar",
        "في من على إلى أن عن مع هذا هذه التي الذي ما لا لم لن كان كل بين بعد ولا وقد هو هي ذلك نحن إن قد ليس",
    ),
    (
        "fa",
        "در به از که این را است با برای می های آن شد کرد خود ما نیست باید هم یک بر تا کشور ها شده بود اند",
    ),
    ("ur", "ہے کے کی میں اور سے کو کا نے پر ہیں یہ کہ نہیں تھا"),
];
/// Of languages that share a script.
pub(super) const HEBREW: Words = &[
    (
        "he",
        "של את על לא הוא היא זה כי עם אל גם אבל יש אין כל אנחנו",
    ),
    ("yi", "און איז דער די פון אין דאס צו נישט מיט אויף האט זיך"),
];
/// Of languages that share a script.
pub(super) const CYRILLIC: Words = &[
    (
        "ru",
        "и в не на что с это по как но для из от за мы против его их или если был у к",
    ),
    (
        "uk",
        "і в не на що з це та як але для від за ми проти його їх або якщо був у до й ні",
    ),
    ("be", "і ў не на што з гэта як але для ад за мы супраць яго"),
    (
        "bg",
        "и в не на че с това да за от са е се ще като но срещу ние към който",
    ),
    (
        "sr",
        "и у не на да је су се за од са али то као који против није ће",
    ),
    (
        "mk",
        "и во не на дека со ова да за од се е ќе како но против ние кој",
    ),
];
/// Of languages that share a script.
pub(super) const DEVANAGARI: Words = &[
    ("hi", "है के में की का से को हैं ने और नहीं यह पर भी कि था हम"),
    ("mr", "आहे आणि या हे होते नाही आहेत च्या मध्ये केली केले आम्ही ते हा ही"),
    ("ne", "छ को का ले हो छन् पनि गरेको यो भने मा लाई छैन हामी र"),
];
/// Of languages that share a script.
pub(super) const LATIN: Words = &[
    (
        "en",
        "the of and to in is that for it with are was this not has have its be by on we they must should will from their who against a as an at i he or but which had been his you more about new after said were when one would there s",
    ),
    (
        "de",
        "der die das und ist nicht ein eine mit für auf den von zu im sich dem auch wir werden hat sind gegen dass es an als bei nach aus um er sie wie des war noch zur zum einen einem einer am vom",
    ),
    (
        "fr",
        "le la les des et est une un du que qui dans pour pas sur avec ce sont au nous il contre ne de à en se plus par l d qu n s c j aux cette été ont mais comme elle son sa ses leur ou y a",
    ),
    (
        "es",
        "el la los las de que y en un una es por con no para del se su al más pero contra a o como lo le este esta ha son fue sus entre muy sin sobre ser han también me mi si ya yo hay uno dos está esto desde hasta cuando donde nos les",
    ),
    (
        "pt",
        "o a os as de que e em um uma é por com não para do da no na se mais mas contra ao aos dos das pelo pela como foi são seu sua ser nas nos também à ou já",
    ),
    (
        "it",
        "il la gli di che e in un una è per con non del della si sono più ma contro nel i a le da dei alla al lo anche ha come nella delle l d ed o se stato questo dal ai",
    ),
    (
        "nl",
        "de het een en van is niet dat met voor op zijn ook wij er aan tegen te maar in die om als bij naar zij hij dit was door wordt over heeft",
    ),
    (
        "tr",
        "ve bir bu için ile da de değil olarak çok daha ama karşı gibi olan var ne biz her mi kadar sonra diye en olduğunu dedi ya ki",
    ),
    (
        "az",
        "və bir bu üçün ilə da də deyil olaraq çox daha amma qarşı kimi olan",
    ),
    (
        "pl",
        "i w nie na się z do to że jest o od jak ale dla przez przeciwko są po",
    ),
    (
        "cs",
        "a v ne na se z do to že je o od jak ale pro proti jsou není po by",
    ),
    (
        "sk",
        "a v nie na sa z do to že je o od ako ale pre proti sú po by",
    ),
    (
        "ro",
        "și de la în nu este un o că cu pe din pentru care sunt dar împotriva mai",
    ),
    (
        "hu",
        "a az és nem hogy is egy ez van de meg ellen mint csak már",
    ),
    (
        "sv",
        "och att det är en ett som på av för med inte den till har mot vi",
    ),
    (
        "da",
        "og at det er en et som på af for med ikke den til har mod vi",
    ),
    (
        "no",
        "og at det er en et som på av for med ikke den til har mot vi",
    ),
    (
        "fi",
        "ja on ei että se oli ovat mutta kun myös vastaan joka hän me",
    ),
    (
        "hr",
        "i u ne na da je su se za od s ali to kao koji protiv nije će",
    ),
    (
        "id",
        "yang dan di dengan untuk tidak dari ini itu dalam pada adalah akan kami terhadap ke juga oleh sebagai telah saya mereka bisa ada",
    ),
    (
        "ca",
        "el la els les de que i en un una és per amb no del més però contra al dels als com ha són va seva aquest l d a o també",
    ),
    (
        "vi",
        "và của là không có được trong cho với những các này một",
    ),
];
