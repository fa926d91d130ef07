# Turns the audit log into events of the Open Cybersecurity Schema Framework (OCSF), version 1.8.0:
#
#     jq -Rc --arg service orders-api -f ocsf.jq audit.log
#
# It needs jq 1.6 or newer. It leaves out purges, changes of the circuit breaker and renewals of the token, because no
# class of OCSF fits them. It also leaves out a line that was cut off because the disk was full.

def if_any(f): if . == null then null else f end;

def milliseconds: (.[:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);

# OCSF wants a name or a uid. A key of an organization has no user, and a refused key has no id.
def user: {
  name: (.key_id // "unknown"),
  uid: .user_id,
  org: (.organization_code | if_any({uid: .})),
  programmatic_credentials: (.key_id | if_any([{type: "API Key", uid: .}]))
};

# A prefix of IPv6 addresses is no `ip`.
def endpoint:
  if . == null then {name: "unknown"} elif contains("/") then {name: .} else {ip: .} end;

def event(class; activity; succeeded): {
  category_uid: (class / 1000 | floor),
  class_uid: class,
  activity_id: activity,
  type_uid: (class * 100 + activity),
  severity_id: 1,
  status_id: (if succeeded then 1 else 2 end),
  time: (.time | milliseconds),
  metadata: {version: "1.8.0", product: {name: "apikey"}}
};

def verification: event(3002; 1; .result == "accepted") + {
  auth_protocol: "API key",
  auth_protocol_id: 99,
  service: {name: $service},
  user: user,
  status_code: .error_type,
  status_detail: .result,
  unmapped: {duration_seconds}
};

def decision: event(6003; 0; .outcome != "denied") + {
  actor: {user: user, authorizations: [{decision: .outcome, policy: (.policy | if_any({name: .}))}]},
  api: {
    operation: (.route // "unknown"),
    request: (.request_id | if_any({uid: .})),
    service: {name: $service}
  },
  src_endpoint: (.client | endpoint),
  status_code: .code,
  unmapped: {source, age_seconds}
};

fromjson?
| if .event == "verification" then verification elif .event == "decision" then decision else empty end
| walk(if type == "object" then with_entries(select(.value != null and .value != {})) else . end)
