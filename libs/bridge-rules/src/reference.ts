import { type BuiltInCloud, builtInClouds, configKeys } from '@sallyport/config';
import { builtInFiles } from './built-in-rules.js';
import { readRuleFile } from './rule-file.js';
import type { BridgeRule } from './rule-set.js';
import { isReadable } from './setting-variables.js';
import type { RuleAuthMethod, RuleVariables, VariableValue } from './variables.js';

/** The page docs/reference/bridge-rules.md. */
export function renderBridgeRulesReference(): string {
  const settings = configKeys.filter(isReadable).map((key) => `\`${key}\``);
  const clouds = builtInClouds.map((cloud) => `### ${titles[cloud]}\n\n${builtInTable(cloud)}`);
  return [introduction, settings.join(', '), notes, ...clouds].join('\n\n').concat('\n');
}

const titles: Readonly<Record<BuiltInCloud, string>> = {
  c8y: 'Cumulocity (`c8y`)',
  az: 'Azure IoT Hub (`az`)',
  aws: 'AWS IoT Core (`aws`)',
};

interface Conditions {
  readonly authMethod: RuleAuthMethod;
  readonly isMqttServiceOn: boolean;
}

function builtInTable(cloud: BuiltInCloud): string {
  const always = rulesOf(cloud, { authMethod: 'certificate', isMqttServiceOn: true });
  const password = rulesOf(cloud, { authMethod: 'password', isMqttServiceOn: true });
  const offService = rulesOf(cloud, { authMethod: 'certificate', isMqttServiceOn: false });
  const rows = [...new Map([...always, ...password])].map(([name, { localFilter, remoteFilter, direction }]) => {
    const arrow = { outbound: '->', inbound: '<-', bidirectional: '<->' }[direction];
    const when = [
      ...(always.has(name) ? [] : ['with a password']),
      ...(password.has(name) ? [] : ['with a certificate']),
      ...(always.has(name) && !offService.has(name) ? ['with `c8y.mqtt_service.enabled`'] : []),
    ];
    return `| \`${localFilter}\` | ${arrow} | \`${remoteFilter}\` | ${when.join(', ') || 'always'} |`;
  });
  return ['| local topics | | topics of the cloud | in force |', '|---|---|---|---|', ...rows].join('\n');
}

function rulesOf(cloud: BuiltInCloud, { authMethod, isMqttServiceOn }: Conditions): Map<string, BridgeRule> {
  const values: Readonly<Record<string, VariableValue>> = {
    'bridge.topic_prefix': cloud,
    'device.id': '<id>',
    'smartrest.templates': ['<template>'],
    'smartrest1.templates': ['<template>'],
    'mqtt_service.enabled': isMqttServiceOn,
    'mqtt_service.topics': ['<topic>'],
  };
  const mapper: RuleVariables['mapper'] = (key) => {
    const value = values[key];
    return value === undefined ? { fault: `${key} is not described` } : { value };
  };
  const files = builtInFiles(cloud).map((file) => readRuleFile(file, { authMethod, mapper, tedge: mapper }));
  return new Map(files.flatMap(({ rules }) => rules.map((rule) => [rule.name, rule])));
}

const introduction = `# Rules of the bridge

<!-- Written by \`node tools/write-reference.mjs\` from libs/bridge-rules. Edit its sources, not this page. -->

A rule says which topics the bridge forwards, which way, and how their names change. The files of rules are in
\`mappers/<cloud>/bridge\` of the configuration directory, those of a profile in \`mappers/<cloud>.<profile>/bridge\`, those of
a user-defined mapper in \`mappers/<name>/bridge\`. They are written as those of thin-edge.io:

\`\`\`toml
local_prefix = "\${mapper.bridge.topic_prefix}/"   # for all rules of the file; a rule may have its own
remote_prefix = ""
if = "\${mapper.mqtt_service.enabled}"            # the whole file; a rule may have its own

[[rule]]
topic = "s/us/#"                                  # the filter behind both prefixes
direction = "outbound"                            # to the cloud; "inbound" from it; "bidirectional"

[[template_rule]]                                 # a rule for each item of a list
for = ["s", "t", "q", "c"]                        # or "\${...}" of a setting that is a list
topic = "\${item}/uc/#"
direction = "outbound"
\`\`\`

\`\`\`sh
sallyport bridge inspect c8y                # all rules, and whether the running bridge has them
sallyport bridge test c8y c8y/s/us          # where a message goes; exit code 0: a rule matches, 2: none does
sallyport bridge reload                     # shows what has changed, and puts it in force
\`\`\`

- A prefix ends with \`/\`. If \`topic\` is empty, both prefixes are whole topics, and one is mapped to the other.
- \`x/#\` matches \`x\` too. A wildcard at the start matches no topic that begins with \`$\`, and no message goes to such a topic
  by it.
- **The first rule that matches is the only one that applies**, as in thin-edge.io. The order: files by name, and in a file
  each \`[[rule]]\` before each \`[[template_rule]]\`. \`bridge test\` shows the others too. A message that no rule matches is
  acknowledged and dropped.
- Conditions are \`"\${switch}"\`, \`"!\${switch}"\` and \`"\${name} == 'text'"\`.
- Everything that is wrong in all files is reported together, with file and line, also in rules that are not in force. A
  bridge does not start with such rules, and one that runs keeps those it has.
- At most 64 files of 64 KiB each, 256 tables of a kind in a file, 256 items in a list, 1,024 characters in a topic or
  prefix, and 256 rules in all.

## What a rule may not do

- Local topics: those of the services (\`sallyport/v1/#\`) and those that begin with \`$\`. \`#\` without a prefix reaches them.
- Topics of the cloud: \`$SYS/#\`, shared subscriptions, and \`sallyport/v1/#\` of another site.
- A loop: what goes out by one rule comes back by another one and goes out again. Write one rule with
  \`direction = "bidirectional"\` instead, whose echoes the bridge recognises.

## Variables

\`\${connection.auth_method}\` is \`certificate\` or \`password\`. \`\${item}\` is the item of a \`[[template_rule]]\`, in its topic.
\`\${tedge.<key>}\` is a setting, and \`\${mapper.<key>}\` one of the cloud itself: \`\${mapper.url}\` is \`c8y.url\`. In the rules of a
user-defined mapper it is any value of its \`mapper.toml\`. A topic leaves the device, so no rule can read paths, keys, PINs,
passwords, and addresses to listen on. These settings can be read:`;

const notes = `## Built-in rules

The service \`mqtt-bridge\` writes them into the folder at each start. \`<name>.toml.template\` is what this release has.
\`<name>.toml\` is written if it is not there, or if it is still the former template. So a file that somebody edited stays. To
turn a file off, make an empty \`<name>.toml.disabled\` beside it. It is not enough to delete \`<name>.toml\`.`;
