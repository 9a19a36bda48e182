/** The rules for AWS IoT Core. */
export const awsRules = `# Which topics the bridge forwards between the local broker and AWS IoT Core.
# Sallyport updates this file until somebody edits it. The newest version is in rules.toml.template.
# To turn the file off, make an empty file rules.toml.disabled beside it.

local_prefix = "\${mapper.bridge.topic_prefix}/"

# Telemetry and commands.

[[rule]]
remote_prefix = "thinedge/\${mapper.device.id}/"
topic = "td/#"
direction = "outbound"

[[rule]]
remote_prefix = "thinedge/\${mapper.device.id}/"
topic = "cmd/#"
direction = "inbound"

# The shadow of this device.

[[rule]]
remote_prefix = "$aws/things/\${mapper.device.id}/"
topic = "shadow/#"
direction = "bidirectional"

# Whether the connection works: what is sent to the first topic comes back on the second one.

[[rule]]
local_prefix = "\${mapper.bridge.topic_prefix}/test-connection"
remote_prefix = "thinedge/devices/\${mapper.device.id}/test-connection"
topic = ""
direction = "outbound"

[[rule]]
local_prefix = "\${mapper.bridge.topic_prefix}/connection-success"
remote_prefix = "thinedge/devices/\${mapper.device.id}/test-connection"
topic = ""
direction = "inbound"
`;
