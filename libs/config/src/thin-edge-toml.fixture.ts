/** A tedge.toml as thin-edge.io 1.x writes it on a gateway with two Cumulocity tenants, Azure, AWS and much set by hand. */
export const thinEdgeOneToml = `[config]
version = "1"

[device]
type = "rpi4"
key_path = "/etc/tedge/device-certs/tedge-private-key.pem"
cert_path = "/etc/tedge/device-certs/tedge-certificate.pem"

[device.cryptoki]
mode = "off"
pin = "123456"

[certificate.validity]
requested_duration = "365d"

[c8y]
url = "main.example.com"
http = "http.main.example.com:443"
mqtt = "mqtt.main.example.com:8883"
root_cert_path = "/etc/ssl/certs"
auth_method = "certificate"
topics = ["te/+/+/+/+/m/+", "te/+/+/+/+/e/+"]

[c8y.smartrest]
templates = ["template1", "template2"]
use_operation_id = true

[c8y.enable]
log_upload = true
firmware_update = false

[c8y.proxy.bind]
address = "127.0.0.1"
port = 8001

[c8y.availability]
interval = "60m"

[c8y.profiles.plant2]
url = "plant2.example.com"
root_cert_path = "/etc/tedge/plant2.pem"

[c8y.profiles.plant2.bridge]
topic_prefix = "c8y-plant2"

[c8y.profiles.plant2.proxy.bind]
port = 8011

[az]
url = "hub.azure-devices.net"

[az.mapper]
timestamp = true
timestamp_format = "rfc-3339"

[az.profiles.lab]
url = "lab.azure-devices.net"
topics = ["te/+/+/+/+/m/+"]

[aws]
url = "endpoint.amazonaws.com"
root_cert_path = "/etc/tedge/aws.pem"

[mqtt]
topic_root = "te"
device_topic_id = "device/main//"

[mqtt.bind]
address = "127.0.0.1"
port = 1883

[mqtt.bridge]
built_in = true

[mqtt.bridge.reconnect_policy]
initial_interval = "30s"

[http.bind]
address = "127.0.0.1"
port = 8000

[agent.enable]
log_upload = false

[software.plugin]
default = "apt"
max_packages = 1000
exclude = "^(glibc|lib|kernel-|iptables-module).*"

[run]
path = "/run"
lock_files = true

[logs]
path = "/var/log/tedge"

[firmware.child.update]
timeout = "1h"

[service]
type = "service"

[apt]
name = "tedge.*"

[apt.dpk.options]
config = "keepnew"

[sudo]
enable = false

[proxy]
address = "http://proxy.example:3128"
no_proxy = "127.0.0.1"
`;

/** A tedge.toml of thin-edge.io 2.x, whose cloud settings are in files of their own. */
export const thinEdgeTwoToml = `[config]
version = "2"

[device]
id = "rpi4-dca632efb150"

[device.cryptoki]
mode = "socket"

[mqtt.client]
host = "127.0.0.1"
port = 1883

[http.client]
host = "192.168.1.6"

[agent.entity_store]
auto_register = true
clean_start = false

[apt.dpkg.options]
config = "keepold"

[logs]
max_per_operation = ["*:5", "software_list:1"]

[run]
log_memory_interval = "60s"
`;
