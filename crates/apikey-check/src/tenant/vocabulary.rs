//! The words that a record may repeat. Every other word of an answer is replaced by its shape.

/// Words of APIs, of errors and of their sentences, in lower case.
const WORDS: &str = "
    a about access accept accepted account active admin age all allowed an and any api apis application are array at
    attempt audience auth authentication authorization authorized authorised
    bad be bearer been basic block blocked body by
    cache can cannot charset client code codes compress concurrency concurrent conflict connection content control could
    count create created credentials credit
    daily date days deactivated default delete deleted deny denied description detail details disabled does domain
    empty enabled end endpoint environment error errors exceeded exist exists expired expires expiry
    failed false field for forbidden form format found from
    gateway grant granted
    has have header hour hours html http
    id identifier ids in inactive input insufficient internal invalid ip is issue issued issuer it item items
    json
    key keys kid kind
    last lacks later length limit limited live
    malformed management match max maximum message method metadata minimum minute minutes missing month more must
    name namespace no not null number
    object of off on only operation or org organisation organization organizations other out
    page parameter parse parsed path payload per permission permissions permitted plain please policy prefix private
    privilege problem provide provided public
    quota
    rate read realm reason received record refused reject rejected remaining request requested requests required
    requires reset resource response result retry retrieved revalidate revoked rotated route
    scope scopes second seconds secret server service size status store string subject success successful suffix
    support supported suspended system
    temporarily test text the this timeout title to token tokens too transform true try type
    unable unauthorised unauthorized unavailable unexpected uid unknown unprocessable until updated url usage use used user
    users utf
    valid validate validated validation value vary verification verifications verified verify version view
    was wait were window with without write wrong
    xml
    year you your
";

/// Whether a record may repeat this word.
pub(super) fn is_known(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    WORDS.split_whitespace().any(|known| known == word)
}

/// Values of Kinde's that a record repeats, with the member that has them.
const VALUES: [(&str, &[&str]); 6] = [
    ("status", &["active", "inactive", "revoked"]),
    ("token_type", &["bearer", "Bearer"]),
    ("type", &["environment", "organization", "user"]),
    ("key_type", &["environment", "organization", "user"]),
    ("scope", &["read:api_keys"]),
    ("scopes", &["read:api_keys"]),
];

/// Whether a record may repeat this value of this member.
pub(super) fn is_known_value(member: &str, value: &str) -> bool {
    VALUES.iter().any(|(name, values)| *name == member && values.contains(&value))
}

/// What a value may begin with, and what it is then called.
pub(super) const PREFIXES: [&str; 6] = ["api_key_", "k_live_", "k_test_", "org_", "kp_", "scope_"];
