use super::*;

#[test]
fn what_was_seen_orders_the_pins() {
    let lit = Pins { red: 1, yellow: 2, green: 3 };
    let cases = [
        ("", Some((1, 2, 3))),
        ("ryg", Some((1, 2, 3))),
        ("GYR", Some((3, 2, 1))),
        ("gry", Some((2, 3, 1))),
        ("rrg", None),
        ("ry", None),
        ("jamhat", None),
    ];
    for (seen, expected) in cases {
        let expected = expected.map(|(red, yellow, green)| Pins { red, yellow, green });
        assert_eq!(reorder(seen, lit), expected, "{seen}");
    }
}

#[test]
fn a_lamp_by_name_numbers_or_none() {
    let cases = [
        ("jamhat", Ok("[lights]\npins = { red = 5, yellow = 12, green = 16 }\n")),
        ("4, 5,6", Ok("[lights]\npins = { red = 4, yellow = 5, green = 6 }\n")),
        ("none", Ok("[lights]\ndriver = \"none\"\npreset = \"x\"\n")),
        ("4,4,6", Err("yellow can't have pin 4: red has it already")),
        ("jam", Err("no board is called \"jam\"")),
    ];
    for (word, expected) in cases {
        match (apply("[lights]\npreset = \"x\"\n", word), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{word}"),
            (Err(found), Err(expected)) => assert!(found.to_string().starts_with(expected), "{found}"),
            (found, _) => panic!("{word}: {found:?}"),
        }
    }
}
