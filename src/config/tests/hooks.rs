//! `[http.hooks]`: what `check` prints to register, and what may not be written.

use super::*;

/// The good configuration with hooks of these words at the shop, and more TOML at the end.
fn with(words: &str, more: &str) -> Folder {
    let offers = "offers = [\"orders\", \"fulfil\"";
    let text = GOOD.replacen(
        offers,
        &format!("offers = [{words}\"orders\", \"fulfil\""),
        1,
    );
    assert!(words.is_empty() || text != GOOD);
    Folder::new(&format!("{text}\n{more}"))
}

#[test]
fn check_prints_the_address_of_each_hook_and_what_to_register() {
    let open = "[http.hooks]\npublic_url = \"https://hooks.example/in/\"\n";
    let loaded = with("\"hook\", \"unsigned-hook\", ", open).load().unwrap();
    let hooks = loaded.settings.http.hooks.as_ref().unwrap();
    assert_eq!(hooks.listen, "127.0.0.1:9465".parse().unwrap());
    let told = "webhooks: listening on 127.0.0.1:9465, public URL https://hooks.example/in
  https://hooks.example/in/hooks/shop-jp/hook
    to register: every change
  https://hooks.example/in/hooks/shop-jp/unsigned-hook
    to register: every change
    it is not signed: it only refreshes what is already known
";
    assert!(loaded.summary.ends_with(told), "{}", loaded.summary);
    let none = with("", open).load().unwrap().summary;
    assert!(none.contains("no account has a hook"), "{none}");
}

#[test]
fn without_the_table_no_hook_comes_in_and_check_says_so() {
    let loaded = with("\"hook\", ", "").load().unwrap();
    assert_eq!(loaded.settings.http.hooks, None);
    let told = "webhooks are off, although shop-jp could send them: add [http.hooks]\n";
    assert!(loaded.summary.ends_with(told), "{}", loaded.summary);
    let none = with("", "").load().unwrap().summary;
    assert!(!none.contains("webhook"), "{none}");
}

#[test]
fn mistakes_of_the_table_are_told_with_their_key() {
    let good = "public_url = \"https://hooks.example\"";
    for (table, wanted) in [
        ("", "http.hooks.public_url: missing"),
        (
            "public_url = \"http://hooks.example\"",
            "begin with https://",
        ),
        ("public_url = \"hooks\"", "is not a URL"),
        (
            "public_url = \"https://hooks.example/?a=b\"",
            "only a host and a path",
        ),
        (
            &format!("{good}\nlisten = \"off\""),
            "is not an address and port",
        ),
        (
            &format!("{good}\nlisten = \"0.0.0.0:9465\""),
            "allow_remote = true",
        ),
        (
            &format!("{good}\nlisten = \"127.0.0.1:9464\""),
            "webhooks need their own",
        ),
        (&format!("{good}\nport = 1"), "port"),
    ] {
        let problems = with("", &format!("[http.hooks]\n{table}\n")).problems();
        assert_eq!(problems.len(), 1, "{table}: {problems:?}");
        assert!(problems[0].contains(wanted), "{table}: {problems:?}");
    }
    let remote = format!("[http.hooks]\n{good}\nlisten = \"0.0.0.0:9465\"\nallow_remote = true\n");
    assert!(with("", &remote).load().is_ok());
}
