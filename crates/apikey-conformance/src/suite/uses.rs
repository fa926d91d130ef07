//! What is made of the list of all cases.

/// Makes one test of each case (`tests`), or a table of their names (`names`).
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    (tests $adapter:ty; $($theme:ident { $($case:ident,)* })*) => {$(
        mod $theme {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::run::<$adapter, _>($crate::cases::$theme::$case);
                }
            )*
        }
    )*};
    (names; $($theme:ident { $($case:ident,)* })*) => {
        &[$((stringify!($theme), &[$(stringify!($case)),*])),*]
    };
}
