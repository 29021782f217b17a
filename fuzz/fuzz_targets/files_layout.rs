#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (hikiate_prove::parsers::named("files_layout").read)(bytes));
