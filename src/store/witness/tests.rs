//! The file and the comparison, by value.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn standing(sent: i64) -> ServerState {
    ServerState {
        system: Some("7".to_owned()),
        timeline: Some(1),
        sent: BTreeMap::from([("shop".to_owned(), sent)]),
        ..ServerState::default()
    }
}

fn kept(dir: &Path) -> Kept {
    Witness::open(dir).unwrap().kept().unwrap()
}

#[test]
fn the_file_keeps_what_was_sent_and_never_less() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kept(dir.path()), Kept::Nothing);
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&standing(3)).unwrap();
    witness.sending("shop", 4).unwrap();
    witness.sending("shop", 2).unwrap();
    let Kept::Record(record) = kept(dir.path()) else {
        unreachable!()
    };
    assert_eq!((record.sent["shop"], record.n), (4, 3));
    let kept = witness.kept().unwrap();
    assert!(kept.had_seen("shop", 4) && !kept.had_seen("shop", 5));
    assert!(!kept.had_seen("books", 1) && !Kept::Damaged.had_seen("shop", 1));
    assert!(Witness::none().sending("shop", 1).is_ok());
}

#[test]
fn a_torn_record_leaves_the_one_before_and_two_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&standing(1)).unwrap();
    witness.sending("shop", 2).unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path().join(FILE))
        .unwrap();
    // The second record stands in the first half.
    file.write_all_at(b"\xff\xff", 40).unwrap();
    let Kept::Record(record) = kept(dir.path()) else {
        unreachable!()
    };
    assert_eq!(record.sent["shop"], 1);
    file.write_all_at(b"\xff\xff", SLOT as u64 + 40).unwrap();
    assert_eq!(kept(dir.path()), Kept::Damaged);
    assert!(matches!(
        compare(&Kept::Damaged, &standing(1)),
        Compared::Behind(_)
    ));
}

/// As a file system leaves it after a crash, and not as a first start makes it.
#[test]
fn a_file_that_was_cut_off_is_damaged_and_a_fresh_one_is_not() {
    for length in [0, 10, 2 * SLOT as u64 - 1] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(dir.path()), Kept::Nothing);
        assert_eq!(kept(dir.path()), Kept::Nothing, "not written to yet");
        assert!(!dir.path().join(FRESH).exists());
        let witness = Witness::open(dir.path()).unwrap();
        witness.follow(&standing(5)).unwrap();
        let file = OpenOptions::new()
            .write(true)
            .open(dir.path().join(FILE))
            .unwrap();
        file.set_len(0).unwrap();
        file.set_len(length).unwrap();
        let witness = Witness::open(dir.path()).unwrap();
        assert_eq!(witness.kept(), Some(Kept::Damaged), "{length}");
        let compared = compare(&Kept::Damaged, &standing(5));
        assert!(matches!(compared, Compared::Behind(behind) if !behind.proven));
        // An operator has seen to it.
        let recovered = ServerState {
            epoch: 1,
            ..standing(5)
        };
        witness.follow(&recovered).unwrap();
        assert!(matches!(kept(dir.path()), Kept::Record(record) if record.sent["shop"] == 5));
    }
    let dir = tempfile::tempdir().unwrap();
    // A first start that was cut short.
    fs::write(dir.path().join(FRESH), "half").unwrap();
    assert_eq!(kept(dir.path()), Kept::Nothing);
}

#[test]
fn a_first_look_at_a_database_that_has_sent_is_told_from_one_at_a_new_one() {
    assert!(!ServerState::default().has_sent());
    assert!(!standing(0).has_sent());
    assert!(standing(1).has_sent());
    for db in [standing(0), standing(1)] {
        assert_eq!(compare(&Kept::Nothing, &db), Compared::First);
    }
}

#[test]
fn a_database_that_knows_less_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    assert_eq!(
        compare(&witness.kept().unwrap(), &standing(5)),
        Compared::First
    );
    witness.follow(&standing(5)).unwrap();
    let is = |db: ServerState| compare(&witness.kept().unwrap(), &db);
    assert_eq!(is(standing(5)), Compared::Fine);
    assert_eq!(is(standing(9)), Compared::Fine, "another process sends too");
    let words = |db: ServerState| match is(db) {
        Compared::Behind(behind) => format!("{} {}", behind.proven, behind.why),
        other => format!("{other:?}"),
    };
    let proven = |db: ServerState| words(db).starts_with("true ");
    assert!(words(standing(4)).contains("5 times"));
    assert!(words(ServerState::default()).contains("knows of 0"));
    assert!(proven(standing(4)) && proven(ServerState::default()));
    let other = ServerState {
        system: Some("8".to_owned()),
        ..standing(5)
    };
    assert!(words(other.clone()).contains("system identifier 8"));
    assert!(!proven(other), "a move need not lose anything");
    let promoted = ServerState {
        timeline: Some(2),
        ..standing(9)
    };
    assert!(words(promoted.clone()).contains("timeline 2"));
    assert!(!proven(promoted.clone()), "nor need a failover");
    let lagged = ServerState {
        timeline: Some(2),
        ..standing(4)
    };
    assert!(proven(lagged), "one that knows of fewer sends has");
    let unflushed = ServerState {
        flushed: Some(0),
        ..promoted
    };
    assert!(!proven(unflushed), "what was not confirmed is not lost");
    let managed = ServerState {
        system: None,
        timeline: None,
        ..standing(5)
    };
    assert_eq!(is(managed), Compared::Fine, "not told: the count alone");
}

/// A round is counted, and another connection's look writes it into the file before it is sent.
#[test]
fn a_round_that_a_look_took_over_meanwhile_is_no_proof_and_one_that_was_there_before_is() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&standing(9)).unwrap();
    let kept = witness.kept().unwrap();
    witness.follow(&standing(10)).unwrap();
    assert!(!kept.had_seen("shop", 10));
    assert!(witness.kept().unwrap().had_seen("shop", 10));
    assert_eq!(
        compare(&witness.kept().unwrap(), &standing(10)),
        Compared::Fine,
        "the counts alone are alike"
    );
}

#[test]
fn a_recovery_moves_the_file_on_and_going_back_before_it_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&standing(5)).unwrap();
    let recovered = ServerState {
        epoch: 1,
        ..standing(2)
    };
    let is = |db: &ServerState| compare(&witness.kept().unwrap(), db);
    assert_eq!(is(&recovered), Compared::Recovered);
    witness.follow(&recovered).unwrap();
    let kept = witness.kept().unwrap();
    assert!(kept.had_seen("shop", 5), "what was sent stays sent");
    assert!(matches!(is(&standing(9)), Compared::Behind(_)));
}

fn at(flushed: i64) -> ServerState {
    ServerState {
        flushed: Some(flushed),
        ..standing(5)
    }
}

#[test]
fn a_server_whose_log_ends_earlier_was_set_back_though_nothing_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&at(0x1_0000_0010)).unwrap();
    let is = |db: &ServerState| compare(&witness.kept().unwrap(), db);
    assert_eq!(is(&at(0x1_0000_0010)), Compared::Fine);
    assert_eq!(is(&standing(5)), Compared::Fine, "a server that tells none");
    let Compared::Behind(behind) = is(&at(0xFFFF_FFFF)) else {
        unreachable!()
    };
    let words = behind.why;
    assert!(words.contains("ends at 0/FFFFFFFF") && words.contains("seen at 1/10"));
    assert!(behind.proven, "the same server, and it knows less");
    // One that hides who it is, too.
    let hidden = ServerState {
        system: None,
        timeline: None,
        ..at(1)
    };
    assert!(matches!(is(&hidden), Compared::Behind(behind) if !behind.proven));
    // A recovery was begun on it: it goes on from there, and an older look does not raise it again.
    let recovered = ServerState { epoch: 1, ..at(90) };
    assert_eq!(is(&recovered), Compared::Recovered);
    witness.follow(&recovered).unwrap();
    assert_eq!(is(&recovered), Compared::Fine);
    let _ = witness.saw(&at(0x1_0000_0020));
    assert_eq!(is(&recovered), Compared::Fine);
    let earlier = ServerState { epoch: 1, ..at(80) };
    witness.follow(&earlier).unwrap();
    assert!(matches!(is(&earlier), Compared::Behind(_)));
}

#[test]
fn a_position_is_written_with_what_is_sent_or_after_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    assert!(!witness.saw(&at(100)), "nothing is known yet");
    witness.follow(&at(100)).unwrap();
    let on_disk = || match kept(dir.path()) {
        Kept::Record(record) => (record.flushed, record.sent["shop"]),
        other => unreachable!("{other:?}"),
    };
    assert!(!witness.saw(&at(200)), "just written");
    assert_eq!(on_disk(), (Some(100), 5));
    assert!(matches!(
        compare(&witness.kept().unwrap(), &at(150)),
        Compared::Behind(_)
    ));
    witness.sending("shop", 6).unwrap();
    assert_eq!(on_disk(), (Some(200), 6));
    assert!(!witness.saw(&at(300)));
    lock(&witness.inner.as_ref().unwrap().disk).at = None;
    assert!(witness.saw(&at(250)), "it is time");
    witness.keep().unwrap();
    assert_eq!(on_disk(), (Some(300), 6));
    assert!(!witness.saw(&at(300)), "nothing new");
}

#[test]
fn a_record_that_was_never_written_alone_does_not_shift_the_turns() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    witness.follow(&at(1)).unwrap();
    witness.sending("shop", 6).unwrap();
    // Two numbers later, and so in the half of the one before, were they told apart by them.
    let _ = witness.saw(&at(2));
    witness.sending("shop", 7).unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path().join(FILE))
        .unwrap();
    file.write_all_at(b"\xff\xff", SLOT as u64 + 40).unwrap();
    let Kept::Record(record) = kept(dir.path()) else {
        unreachable!()
    };
    assert_eq!(record.sent["shop"], 6, "the last but one is whole");
}

#[test]
fn a_file_of_an_older_version_says_no_position() {
    let dir = tempfile::tempdir().unwrap();
    drop(Witness::open(dir.path()).unwrap());
    let text = r#"{"n":2,"epoch":0,"system":"7","timeline":1,"sent":{"shop":5}}"#;
    let bytes = format!("{} {}\n{text}\n", digest(text.as_bytes()), text.len());
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path().join(FILE))
        .unwrap();
    file.write_all_at(bytes.as_bytes(), 0).unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    let is = |db: &ServerState| compare(&witness.kept().unwrap(), db);
    assert_eq!(is(&at(9)), Compared::Fine);
    let _ = witness.saw(&at(9));
    assert!(matches!(is(&at(8)), Compared::Behind(_)));
}
