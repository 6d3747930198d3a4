//! A gap of the library's arithmetic that `specs/security.md` reckons with.

use starling_air::check::Ext;
use starling_vm::field::Felt;
use winterfell::math::FieldElement;

/// When this fails, the library has been mended: take the entry out of `specs/security.md`.
#[test]
fn the_library_squares_wrongly_where_doubling_does_not_reduce() {
    // Twice this inner value lies between the modulus and 2^64.
    let x = Ext::new(Felt::new(0), Felt::new(1), Felt::from_mont((1 << 63) - 5));
    assert_ne!(x.square().base_element(0), (x * x).base_element(0));
    let y = Ext::new(Felt::new(3), Felt::new(1), Felt::new(4));
    assert_eq!(y.square(), y * y);
}
