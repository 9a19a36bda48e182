import { environmentNameOf, isProfiled } from './key-names.js';
import { type ConfigKey, configKeys, describeKey } from './schema.js';
import { isDerived, type SettingDescription } from './setting.js';
import { settingsFileNames } from './settings-file.js';

/** What is known about one setting, as lines for a terminal (`config list --doc`). */
export function describeSetting(key: ConfigKey): string {
  const { doc, type, examples, deprecatedNames, plgdNames } = describeKey(key);
  const facts: [string, string][] = [
    ['Type', `${type.name}: ${type.rule}`],
    ['Default', plain(defaultText(describeKey(key)))],
    ['Environment', environmentNameOf({ key })],
    ['Examples', examples.join(', ')],
    ['Old names', deprecatedNames.join(', ')],
    ['plgd names', plgdNames.join(', ')],
    ['Stored in', fileOf(key)],
    ['Note', noteOf(key)],
  ];
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([label, value]) => `  ${`${label}:`.padEnd(13)}${value}`);
  return [key, `  ${plain(doc)}`, ...lines].join('\n');
}

/** What is special about a setting, in a few words; empty for most. */
function noteOf(key: ConfigKey): string {
  const { isOwn, isRead } = describeKey(key);
  if (isOwn) return 'thin-edge.io has no such setting';
  return isRead ? '' : notRead;
}

const notRead = 'kept for thin-edge.io; nothing of Sallyport reads it';

/** The flags of a service, one for each setting, as its `--help` prints them. */
export function renderCommandHelp(command: string): string {
  const flags = configKeys.map((key) => `  --${key} VALUE\n      ${flagText(key)}`);
  const usage = `Usage: ${command} [--config-dir DIR] [--KEY VALUE]...`;
  const order = 'A flag beats its TEDGE_* variable, that beats the settings files, those beat the default.';
  const directory = '  --config-dir DIR\n      Directory of tedge.toml and sallyport.toml.';
  return [usage, '', order, '', directory, ...flags, ''].join('\n');
}

function flagText(key: ConfigKey): string {
  const { doc, isRead } = describeKey(key);
  return plain(isRead ? doc : `${doc} (${notRead})`);
}

/** The page docs/reference/configuration.md. */
export function renderConfigReference(): string {
  const groups = Map.groupBy(configKeys, groupOf);
  const sections = [...groups].map(([group, keys]) => `## ${group}\n\n${keys.map(keySection).join('\n\n')}`);
  return `${introduction}\n\n${overview()}\n\n${sections.join('\n\n')}\n`;
}

const introduction = `# Configuration

<!-- Written by \`node tools/write-reference.mjs\` from the schema in libs/config. Edit the schema, not this page. -->

Settings are read from three places. A \`TEDGE_*\` environment variable beats the files \`tedge.toml\` and \`sallyport.toml\`
in the configuration directory, and the files beat the default. A service also takes every setting as a flag
(\`--http.bind.port 8000\`), which beats all three.

thin-edge.io reads and writes \`tedge.toml\` too, and drops from it what it does not know. So every setting it does not
know lives in \`sallyport.toml\`, which it never touches; the table below says which. \`tedge config\` finds each in its file.

- A file from before is split once: by the start of a service that may write there, or by the first change. Comments at
  the moved lines go along, and \`tedge.toml.before-sallyport\` keeps the file as it was. Where nobody may write, everything
  is read from \`tedge.toml\` as before.
- A setting in both files has the value of the file it belongs to. When the values differ, every command and every start
  says so, and nothing is moved. A setting in the wrong file alone is read from there.
- The settings of a cloud (\`c8y\`, \`az\`, \`aws\`) that thin-edge.io knows are in \`mappers/<cloud>/mapper.toml\`, those of a
  profile in \`mappers/<cloud>.<profile>/mapper.toml\`, without the name of the cloud: \`url = "HOST"\`. A device that has
  its clouds in \`tedge.toml\`, from thin-edge.io 1 or an earlier release of ours, keeps them there. As soon as a cloud has
  one such file, what \`tedge.toml\` says of this cloud is ignored, with a warning.
- Settings marked "not read" are kept for thin-edge.io: \`tedge config\` shows, checks and changes them, and nothing of
  Sallyport ever reads them. A few of them look as if they did something here. \`tedge config set\`, each start and
  \`sallyport doctor\` warn of these.

The configuration directory is the value of \`--config-dir\`, else of \`TEDGE_CONFIG_DIR\`, else \`/etc/tedge\` if it can be
written, else \`.sallyport\` in the working directory.

\`\`\`sh
tedge config set http.bind.address 192.168.1.6    # dots and underscores mean the same
tedge config get http.bind.address
tedge config add pki.hostnames gateway.local      # lists: add and remove keep the other items
tedge config unset http.bind.address
tedge config list --doc http                      # this page, for keys that contain "http"
\`\`\`

- A change keeps the comments, the order and the unknown keys of a file; only comments inside a list that changes go.
- An empty variable (\`TEDGE_HTTP_CA_PATH=\`) unsets its key even when a file sets it. A variable that begins with \`"\` or
  \`[\` is read as TOML; any other is taken as it is.
- Unknown keys and variables are reported and ignored. A value that breaks its rule stops a service, which then lists
  everything that is wrong at once.
- Old names of a setting are still read, with a warning. The first change of the setting writes its present name.
- Settings of the CoAP gateway are also known by the names that plgd's gateway has for them, such as
  \`apis.coap.authorization.deviceIDClaim\`: in commands, in the files, and as variables
  (\`TEDGE_APIS_COAP_AUTHORIZATION_DEVICEIDCLAIM\`).
- Keys under \`c8y\`, \`az\` and \`aws\` may be given per profile: \`tedge config set c8y.url HOST --profile plant2\`, stored in
  \`mappers/c8y.plant2/mapper.toml\` or under \`[c8y.profiles.plant2]\`, overridden by \`TEDGE_C8Y_PROFILES_PLANT2_URL\`.
  \`TEDGE_CLOUD_PROFILE\` names the profile commands use when \`--profile\` is left out.
- The keys under \`c8y.device\` and \`c8y.url\` are for \`tedge cert ... c8y [--profile NAME]\`. Those under \`c8y.proxy\` are
  accepted, so that scripts for thin-edge.io run; this release has no Cumulocity proxy to read them.
- A certificate and its key only work together: with one of them set and the other not, nothing starts.
- \`device.id\`: the value somebody set wins; without one it is the common name of the certificate at \`device.cert_path\`.

Exit codes of \`tedge config\`: 0 done; 1 the key is unset (\`get\`), the value is not valid, or the file cannot be read or
written; 2 there is no such key.`;

function overview(): string {
  const rows = configKeys.map((key) => {
    const { type, isRead } = describeKey(key);
    const file = `${fileOf(key)}${isRead ? '' : ', not read'}`;
    return `| [\`${key}\`](#${anchorOf(key)}) | ${type.name} | ${defaultText(describeKey(key))} | ${file} |`;
  });
  return ['| Key | Type | Default | File |', '|---|---|---|---|', ...rows].join('\n');
}

/** The file that changes of a key go to, unless the clouds of the device are in tedge.toml. */
function fileOf(key: ConfigKey): string {
  const { home } = describeKey(key);
  return home === 'tedge' && isProfiled(key) ? 'mapper.toml' : settingsFileNames[home];
}

function keySection(key: ConfigKey): string {
  const { doc, type, examples, deprecatedNames, plgdNames, isRead } = describeKey(key);
  const facts = [
    `- Type: ${type.name}: ${type.rule}`,
    `- Default: ${defaultText(describeKey(key))}`,
    `- Environment: \`${environmentNameOf({ key })}\``,
    ...(examples.length > 0 ? [`- Examples: ${examples.map(code).join(', ')}`] : []),
    ...(deprecatedNames.length > 0 ? [`- Old names: ${deprecatedNames.map(code).join(', ')}`] : []),
    ...(plgdNames.length > 0 ? [`- Names in plgd: ${plgdNames.map(code).join(', ')}`] : []),
    ...(isRead ? [] : [`- Not read: ${notRead}`]),
  ];
  return `### ${key}\n\n${doc}\n\n${facts.join('\n')}`;
}

function groupOf(key: ConfigKey): string {
  const first = key.split('.')[0] ?? key;
  return /^(?:data|state|run|tmp|logs)$/.test(first) ? 'Directories' : first;
}

// GitHub's anchor of a heading: lower case, without the dots.
function anchorOf(key: string): string {
  return key.replaceAll('.', '');
}

function defaultText({ default: standard }: SettingDescription): string {
  if (standard === undefined) return 'unset';
  if (isDerived(standard)) return standard.text;
  return code(typeof standard === 'object' ? JSON.stringify(standard) : String(standard));
}

function code(text: string): string {
  return `\`${text}\``;
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}
