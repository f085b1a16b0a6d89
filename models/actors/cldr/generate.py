#!/usr/bin/env python3
"""Write `territories.json`: names and capitals of states from Unicode CLDR.

    python3 models/actors/cldr/generate.py           # downloads with `npm pack`
    python3 models/actors/cldr/generate.py --cldr DIR  # uses packages unpacked in DIR

Names come from `territories.json` of `cldr-localenames-full` (standard, short and variant
form), capitals from the exemplar cities of `timeZoneNames.json` of `cldr-dates-full`: the
time zone that a capital has given its name to. States whose capital names no time zone
(the United States, China, Turkey, …) have no capital here; theirs are kept by hand in
`../capitals.toml`. The licence of the data is Unicode-3.0, see `LICENSE-Unicode-3.0.txt`.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile

VERSION = "48.2.0"
PACKAGES = ("cldr-localenames-full", "cldr-dates-full")
# zh-Hant and pt-PT give further spellings of a language that we name under its first subtag.
LOCALES = {
    "ar": ["ar", "ar-LY", "ar-SA"], "en": ["en"], "ru": ["ru"], "fr": ["fr"], "de": ["de", "de-AT"],
    "es": ["es", "es-MX"], "fa": ["fa", "fa-AF"], "tr": ["tr"], "he": ["he"], "zh": ["zh", "zh-Hant"],
    "it": ["it"], "pt": ["pt", "pt-PT"], "uk": ["uk"], "hi": ["hi"], "ur": ["ur"],
    "ja": ["ja"], "id": ["id"],
}
# ISO 3166-1 alpha-2 code -> time zone named after the capital; None where there is no such zone.
CAPITALS = {
    "AD": "Europe/Andorra", "AE": None, "AF": "Asia/Kabul", "AG": None, "AL": "Europe/Tirane",
    "AM": "Asia/Yerevan", "AO": "Africa/Luanda", "AR": "America/Buenos_Aires",
    "AT": "Europe/Vienna", "AU": None, "AZ": "Asia/Baku", "BA": "Europe/Sarajevo", "BB": None,
    "BD": "Asia/Dhaka", "BE": "Europe/Brussels", "BF": "Africa/Ouagadougou",
    "BG": "Europe/Sofia", "BH": None, "BI": None, "BJ": "Africa/Porto-Novo", "BN": None,
    "BO": "America/La_Paz", "BR": None, "BS": "America/Nassau", "BT": "Asia/Thimphu",
    "BW": "Africa/Gaborone", "BY": "Europe/Minsk", "BZ": None, "CA": None,
    "CD": "Africa/Kinshasa", "CF": "Africa/Bangui", "CG": "Africa/Brazzaville", "CH": None,
    "CI": None, "CL": "America/Santiago", "CM": None, "CN": None, "CO": "America/Bogota",
    "CR": None, "CU": "America/Havana", "CV": None, "CY": "Asia/Nicosia", "CZ": "Europe/Prague",
    "DE": "Europe/Berlin", "DJ": None, "DK": "Europe/Copenhagen", "DM": None,
    "DO": "America/Santo_Domingo", "DZ": "Africa/Algiers", "EC": None, "EE": "Europe/Tallinn",
    "EG": "Africa/Cairo", "ER": "Africa/Asmera", "ES": "Europe/Madrid",
    "ET": "Africa/Addis_Ababa", "FI": "Europe/Helsinki", "FJ": None, "FM": None,
    "FR": "Europe/Paris", "GA": "Africa/Libreville", "GB": "Europe/London", "GD": None,
    "GE": "Asia/Tbilisi", "GH": "Africa/Accra", "GM": "Africa/Banjul", "GN": "Africa/Conakry",
    "GQ": "Africa/Malabo", "GR": "Europe/Athens", "GT": None, "GW": "Africa/Bissau", "GY": None,
    "HN": "America/Tegucigalpa", "HR": "Europe/Zagreb", "HT": "America/Port-au-Prince",
    "HU": "Europe/Budapest", "ID": "Asia/Jakarta", "IE": "Europe/Dublin", "IL": None, "IN": None,
    "IQ": "Asia/Baghdad", "IR": "Asia/Tehran", "IS": "Atlantic/Reykjavik", "IT": "Europe/Rome",
    "JM": None, "JO": "Asia/Amman", "JP": "Asia/Tokyo", "KE": "Africa/Nairobi",
    "KG": "Asia/Bishkek", "KH": "Asia/Phnom_Penh", "KI": "Pacific/Tarawa",
    "KM": None, "KN": None, "KP": "Asia/Pyongyang", "KR": "Asia/Seoul", "KW": None, "KZ": None,
    "LA": "Asia/Vientiane", "LB": "Asia/Beirut", "LC": None, "LI": "Europe/Vaduz",
    "LK": "Asia/Colombo", "LR": "Africa/Monrovia", "LS": "Africa/Maseru", "LT": "Europe/Vilnius",
    "LU": None, "LV": "Europe/Riga", "LY": "Africa/Tripoli", "MA": None, "MC": None,
    "MD": "Europe/Chisinau", "ME": "Europe/Podgorica", "MG": "Indian/Antananarivo",
    "MH": "Pacific/Majuro", "MK": "Europe/Skopje", "ML": "Africa/Bamako", "MM": None,
    "MN": "Asia/Ulaanbaatar", "MR": "Africa/Nouakchott", "MT": None, "MU": None, "MV": None,
    "MW": None, "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur", "MZ": "Africa/Maputo",
    "NA": "Africa/Windhoek", "NE": "Africa/Niamey", "NG": None, "NI": "America/Managua",
    "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "NP": "Asia/Katmandu", "NR": None, "NZ": None,
    "OM": "Asia/Muscat", "PA": None, "PE": "America/Lima", "PG": "Pacific/Port_Moresby",
    "PH": "Asia/Manila", "PK": None, "PL": "Europe/Warsaw", "PS": None, "PT": "Europe/Lisbon",
    "PW": None, "PY": "America/Asuncion", "QA": None, "RO": "Europe/Bucharest",
    "RS": "Europe/Belgrade", "RU": "Europe/Moscow", "RW": "Africa/Kigali", "SA": "Asia/Riyadh",
    "SB": None, "SC": None, "SD": "Africa/Khartoum", "SE": "Europe/Stockholm", "SG": None,
    "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava", "SL": "Africa/Freetown",
    "SM": None, "SN": "Africa/Dakar", "SO": "Africa/Mogadishu", "SR": "America/Paramaribo",
    "SS": "Africa/Juba", "ST": None, "SV": None, "SY": "Asia/Damascus", "SZ": "Africa/Mbabane",
    "TD": "Africa/Ndjamena", "TG": "Africa/Lome", "TH": "Asia/Bangkok", "TJ": "Asia/Dushanbe",
    "TL": "Asia/Dili", "TM": "Asia/Ashgabat", "TN": "Africa/Tunis", "TO": None, "TR": None,
    "TT": None, "TV": "Pacific/Funafuti", "TW": "Asia/Taipei", "TZ": None, "UA": "Europe/Kiev",
    "UG": "Africa/Kampala", "US": None, "UY": "America/Montevideo", "UZ": "Asia/Tashkent",
    "VA": None, "VC": None, "VE": "America/Caracas", "VN": None, "VU": None, "WS": "Pacific/Apia",
    "XK": None, "YE": None, "ZA": None, "ZM": "Africa/Lusaka", "ZW": "Africa/Harare",
}


def unpack(folder: pathlib.Path) -> None:
    for package in PACKAGES:
        subprocess.run(["npm", "pack", f"{package}@{VERSION}"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        with tarfile.open(folder / f"{package}-{VERSION}.tgz") as archive:
            archive.extractall(folder / "raw", filter="data")
        (folder / "raw/package").rename(folder / package)


def territories(root: pathlib.Path, locale: str) -> dict:
    path = root / "cldr-localenames-full/main" / locale / "territories.json"
    data = json.loads(path.read_text())["main"][locale]
    return data["localeDisplayNames"]["territories"]


def zone_city(root: pathlib.Path, locale: str, zone: str) -> str | None:
    path = root / "cldr-dates-full/main" / locale / "timeZoneNames.json"
    node = json.loads(path.read_text())["main"][locale]["dates"]["timeZoneNames"]["zone"]
    for part in zone.split("/"):
        node = node.get(part, {})
    city = node.get("exemplarCity")
    if city is None and locale == "en":  # CLDR leaves out what the zone id already says
        city = zone.split("/")[-1].replace("_", " ")
    return city


def spellings(entry: dict, code: str) -> list[str]:
    """The forms of one territory, without a note in brackets, first the one to show."""
    forms = [entry.get(code)] + [entry.get(f"{code}-alt-{kind}") for kind in ("short", "variant")]
    if code in ("PS", "MM", "CI", "TR", "CZ", "TL"):  # the everyday name is the short or variant one
        forms = [entry.get(f"{code}-alt-{kind}") for kind in ("short", "variant")] + [entry.get(code)]
    if code in ("CI", "TL", "CZ"):
        forms = [entry.get(code), entry.get(f"{code}-alt-variant")]
    cleaned = []
    for form in filter(None, forms):
        note = re.search(r"\s*[(（\[]([^)）\]]+)[)）\]]", form)
        plain = re.sub(r"\s*[(（\[][^)）\]]*[)）\]]", "", form).strip()
        if code in ("CD", "CG") and note:  # "Congo (DRC)" without its note is another state
            continue
        plain = re.sub("[\u200e\u200f\u061c]", "", plain)
        if plain and plain not in cleaned:
            cleaned.append(plain)
        if note and code == "MM" and note.group(1) not in cleaned:
            cleaned.append(note.group(1))
    return cleaned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cldr", type=pathlib.Path, help="folder with the unpacked packages")
    parser.add_argument("--output", type=pathlib.Path,
                        default=pathlib.Path(__file__).with_name("territories.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.cldr or pathlib.Path(scratch)
        if arguments.cldr is None:
            unpack(root)
        result = {code: {"names": {}, "capital": {}} for code in sorted(CAPITALS)}
        for language, locales in LOCALES.items():
            for locale in locales:
                if not (root / "cldr-localenames-full/main" / locale / "territories.json").exists():
                    continue
                names = territories(root, locale)
                for code, zone in CAPITALS.items():
                    known = result[code]["names"].setdefault(language, [])
                    known += [name for name in spellings(names, code) if name not in known]
                    city = zone and zone_city(root, locale, zone)
                    if city:
                        cities = result[code]["capital"].setdefault(language, [])
                        cities += [city] if city not in cities else []
    lines = [f'{{"cldr": "{VERSION}", "license": "Unicode-3.0", "territories": {{']
    rows = []
    for code, entry in result.items():
        rows.append(f' {json.dumps(code)}: ' + json.dumps(entry, ensure_ascii=False))
    arguments.output.write_text("\n".join(lines) + "\n" + ",\n".join(rows) + "\n}}\n")


if __name__ == "__main__":
    main()
