import { deviceEventRoot } from './device-events.js';
import { type MqttAccessRule, standardRules } from './mqtt-access.js';
import { serviceTopicRoot } from './rpc.js';

/** The page docs/reference/mqtt-access.md. */
export function renderMqttAccessReference(): string {
  const rows = standardRules().map((rule) => `| ${cells(rule).join(' | ')} |`);
  const table = ['| who | may publish to | may receive from | why |', '|---|---|---|---|', ...rows];
  return `${introduction}\n\n${table.join('\n')}\n\n${notes}\n`;
}

function cells({ roles, names, publish, subscribe, purpose }: MqttAccessRule): string[] {
  const who = [...roles.map((role) => `role ${role}`), ...names.map((name) => `service \`${name}\``)];
  return [who.join(', '), codes(publish), codes(subscribe), purpose];
}

function codes(filters: readonly string[]): string {
  return filters.map((filter) => `\`${filter}\``).join('<br>');
}

const introduction = `# Who may use which MQTT topic

<!-- Written by \`node tools/write-reference.mjs\` from the access table in libs/protocol. Edit the table, not this page. -->

This table is the only source. The embedded broker asks it, and the access rules of Mosquitto are made from it
(\`sallyport mqtt broker-config\`). What it does not list is forbidden. \`{id}\` is the name in the certificate of the client.

The roles:

- **anonymous**: every client at level plain or server, where nobody proves an identity.
- **device**: a client with the certificate of a device.
- **gateway**: agent and mappers of thin-edge.io on the main device. They show the certificate \`local-client\`, which
  \`sallyport secure mutual\` makes for the programs of this machine. The device whose id is \`device.id\` has this role too:
  it is the gateway itself, with the certificate it shows to its cloud.
- **admin**: an administrator, such as \`operator\`.
- **service**: a service of Sallyport. Each has only what it needs.`;

const notes = `## What the table does not show

- \`te\` is the value of \`mqtt.topic_root\`. \`c8y\`, \`az\` and \`aws\` are the values of \`c8y.bridge.topic_prefix\` and the like.
- \`${serviceTopicRoot}/#\` belongs to the services, and topics that begin with \`$\` to the broker. A wildcard never reaches
  them; only a filter that names them does. \`#\` of an anonymous client does not match \`${serviceTopicRoot}/event/...\`.
- \`${deviceEventRoot}/#\` holds the events of devices. Only services publish there, and a wildcard does not reach it either.
  Mosquitto cannot tell reading from writing where it denies, so behind Mosquitto anonymous clients and the bridge do not
  receive them.
- A last will is a publication: its topic needs the right to publish.
- A retained message is received like any other. To remove one is to publish to its topic.
- A subscription to a filter that is wider than the rights is granted. The client gets only messages it has a right to. The
  embedded broker refuses a subscription that could bring nothing (SUBACK 0x80, in MQTT 5 0x87). Mosquitto grants it, and
  delivers nothing.
- A publication without the right ends the connection at the embedded broker with MQTT 3.1.1. Mosquitto acknowledges and
  drops it. With MQTT 5, both answer 0x87.
- A device with the id \`main\` has no topics, because thin-edge.io gives the main device that name.
- A client with a service certificate whose name is no service of Sallyport has no rights, until a rule of the site gives
  it some.

## Rules of a site

\`mqtt.access.rules_path\` names a file with more rights:

\`\`\`toml
[[rule]]
purpose = "Presses report their speed, and hear what is said to all."
roles = ["device"]               # device, gateway, admin
publish = ["plant/{id}/speed"]
subscribe = ["plant/all/#"]

[[rule]]
names = ["press-7", "grafana"]   # ids of devices, names of programs with a service certificate
subscribe = ["te/#"]
\`\`\`

- A change applies within a few seconds, without a restart, to open connections too. A file that is not valid is logged as
  an error, with the line and the value, and the rules from before stay. At a start it is an error.
- Rules only add rights. They cannot reach \`${serviceTopicRoot}/#\` or topics that begin with \`$\`, and
  \`${deviceEventRoot}/#\` only to read. So a filter cannot begin with
  a wildcard that would match \`${serviceTopicRoot.split('/')[0]}\`.
- Another broker does not read this file. Run \`sallyport mqtt broker-config\` again and reload that broker.`;
