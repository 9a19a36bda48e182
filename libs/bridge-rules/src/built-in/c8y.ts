/** The rules for Cumulocity. */
export const c8yRules = `# Which topics the bridge forwards between the local broker and Cumulocity.
# Sallyport updates this file until somebody edits it. The newest version is in mqtt-core.toml.template.
# To turn the file off, make an empty file mqtt-core.toml.disabled beside it.

local_prefix = "\${mapper.bridge.topic_prefix}/"
remote_prefix = ""

# SmartREST 2.0 and JSON over MQTT: from the device.

[[template_rule]]
for = ["s", "t", "q", "c"]
topic = "\${item}/us/#"
direction = "outbound"

[[template_rule]]
for = ["s", "t", "q", "c"]
topic = "\${item}/uc/#"
direction = "outbound"

[[rule]]
topic = "s/ut/#"
direction = "outbound"

[[rule]]
topic = "inventory/managedObjects/update/#"
direction = "outbound"

[[template_rule]]
for = ["create", "createBulk"]
topic = "measurement/measurements/\${item}/#"
direction = "outbound"

[[template_rule]]
for = ["create", "createBulk"]
topic = "event/events/\${item}/#"
direction = "outbound"

[[template_rule]]
for = ["create", "createBulk"]
topic = "alarm/alarms/\${item}/#"
direction = "outbound"

# The same: from the cloud.

[[rule]]
topic = "s/dt"
direction = "inbound"

[[rule]]
topic = "s/ds"
direction = "inbound"

[[rule]]
topic = "s/e"
direction = "inbound"

[[rule]]
topic = "devicecontrol/notifications"
direction = "inbound"

[[rule]]
topic = "error"
direction = "inbound"

[[template_rule]]
for = "\${mapper.smartrest.templates}"
topic = "s/dc/\${item}"
direction = "inbound"

# Tokens for the REST API: only a device with a certificate gets them.

[[rule]]
if = "\${connection.auth_method} == 'certificate'"
topic = "s/uat"
direction = "outbound"

[[rule]]
if = "\${connection.auth_method} == 'certificate'"
topic = "s/dat"
direction = "inbound"

# SmartREST 1.0: only a device with a password may use it.

[[template_rule]]
if = "\${connection.auth_method} == 'password'"
for = ["s", "t", "q", "c"]
topic = "\${item}/ul/#"
direction = "outbound"

[[template_rule]]
for = "\${mapper.smartrest1.templates}"
topic = "s/dl/\${item}"
direction = "inbound"

[[template_rule]]
for = "\${mapper.smartrest1.templates}"
topic = "s/ol/\${item}"
direction = "inbound"

# The MQTT service of Cumulocity: topics of the site.

[[rule]]
if = "\${mapper.mqtt_service.enabled}"
local_prefix = "\${mapper.bridge.topic_prefix}/mqtt/out/"
topic = "#"
direction = "outbound"

[[template_rule]]
if = "\${mapper.mqtt_service.enabled}"
for = "\${mapper.mqtt_service.topics}"
local_prefix = "\${mapper.bridge.topic_prefix}/mqtt/in/"
topic = "\${item}"
direction = "inbound"
`;
