use super::*;
#[test]
fn dump() {
    let t = std::time::Instant::now();
    let r = Registry::embedded();
    eprintln!("parse {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let m = Matcher::new(r, None).unwrap();
    eprintln!(
        "build {:?} {} patterns {} actors",
        t.elapsed(),
        m.patterns(),
        r.len()
    );
    let all: Vec<Actor> = r.iter().cloned().collect();
    for e in super::registry::duplicates([].iter(), &all) {
        eprintln!("{e}");
    }
    let mut files: Vec<_> = std::fs::read_dir("../../shared/samples")
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for f in files {
        let text = std::fs::read_to_string(&f).unwrap();
        let t = std::time::Instant::now();
        let found = m.find(&text);
        let el = t.elapsed();
        let mut c = std::collections::BTreeMap::<
            String,
            (usize, usize, std::collections::BTreeSet<String>),
        >::new();
        for x in &found {
            let e = c.entry(m.actors()[x.actor].id.clone()).or_default();
            if x.weak {
                e.1 += 1
            } else {
                e.0 += 1
            }
            e.2.insert(text[x.span.clone()].to_owned());
        }
        eprintln!("== {} {} bytes {:?}", f.display(), text.len(), el);
        for (k, v) in c {
            eprintln!("{k} {} {} {:?}", v.0, v.1, v.2);
        }
    }
}
