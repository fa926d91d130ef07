//! The names of settings, for errors and log lines.

pub(super) const DOMAIN: &str = "KINDE_DOMAIN";
pub(super) const ISSUER_URL: &str = "KINDE_ISSUER_URL";
pub(super) const CLIENT_ID: &str = "KINDE_MANAGEMENT_CLIENT_ID";
pub(super) const CLIENT_SECRET: &str = "KINDE_MANAGEMENT_CLIENT_SECRET";
pub(super) const M2M_CLIENT_ID: &str = "KINDE_M2M_CLIENT_ID";
pub(super) const M2M_CLIENT_SECRET: &str = "KINDE_M2M_CLIENT_SECRET";
pub(super) const AUDIENCE: &str = "KINDE_MANAGEMENT_AUDIENCE";
pub(super) const API_ID: &str = "KINDE_API_ID";

/// What errors and log lines call each setting: the variable that it was read from, or the method that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettingNames {
    pub(super) domain: &'static str,
    pub(super) client_id: &'static str,
    pub(super) client_secret: &'static str,
    pub(super) audience: &'static str,
    pub(super) api_id: &'static str,
}

impl SettingNames {
    pub(super) const IN_CODE: Self = Self {
        domain: "KindeSettings::new",
        client_id: "MachineToMachine::new",
        client_secret: "MachineToMachine::new",
        audience: "audience",
        api_id: "api_id",
    };

    pub(crate) const VARIABLES: Self = Self {
        domain: DOMAIN,
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        audience: AUDIENCE,
        api_id: API_ID,
    };
}
