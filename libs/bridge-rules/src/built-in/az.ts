/** The rules for Azure IoT Hub. */
export const azRules = `# Which topics the bridge forwards between the local broker and Azure IoT Hub.
# Sallyport updates this file until somebody edits it. The newest version is in rules.toml.template.
# To turn the file off, make an empty file rules.toml.disabled beside it.

local_prefix = "\${mapper.bridge.topic_prefix}/"

# Messages of this device.

[[rule]]
remote_prefix = "devices/\${mapper.device.id}/"
topic = "messages/events/#"
direction = "outbound"

[[rule]]
remote_prefix = "devices/\${mapper.device.id}/"
topic = "messages/devicebound/#"
direction = "inbound"

# Calls of methods, and their answers.

[[rule]]
remote_prefix = "$iothub/"
topic = "methods/POST/#"
direction = "inbound"

[[rule]]
remote_prefix = "$iothub/"
topic = "methods/res/#"
direction = "outbound"

# The twin of this device.

[[rule]]
remote_prefix = "$iothub/"
topic = "twin/res/#"
direction = "inbound"

[[rule]]
remote_prefix = "$iothub/"
topic = "twin/GET/#"
direction = "outbound"

[[rule]]
remote_prefix = "$iothub/"
topic = "twin/PATCH/#"
direction = "outbound"
`;
