//! Any bytes, as a request of each signal: rows or nothing, and never a panic.

#![no_main]

#[path = "../../tests/promise/mod.rs"]
mod promise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for signal in promise::SIGNALS {
        promise::check(signal, bytes);
    }
});
