#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| apikey_core::fuzzing::webhooks(input));
