import { type MqttAccess, mosquittoAcl, type SecurityLevel } from '@sallyport/protocol';

/** Syntax of which Mosquitto. 2.1 has its options for each listener, and access rules in a plug-in. */
export const mosquittoVersions = ['2.0', '2.1'] as const;
export type MosquittoVersion = (typeof mosquittoVersions)[number];

/** What goes to a listener that clients reach without the door. */
export interface DirectListener {
  readonly level: SecurityLevel;
  readonly address: string;
  readonly port: number;
  /** Absent at level plain. */
  readonly files?: { readonly cert: string; readonly key: string };
  /** At level mutual. */
  readonly clients?: { readonly ca: string; readonly crl: string };
}

export interface MosquittoOptions {
  readonly version: MosquittoVersion;
  /** Where the files will be; Mosquitto reads them there. */
  readonly directory: string;
  /** Absent: only the door and the services reach this Mosquitto. */
  readonly direct?: DirectListener;
  /** Whether Mosquitto saves each change before the entrance, with `mqtt.broker.waits_for_save`, passes it on. */
  readonly isDurable: boolean;
  /** Devices that get rights by their name, because their client ids hold "#" or "+". */
  readonly devices: readonly string[];
  /** Folder with the plug-ins of Mosquitto. */
  readonly plugins: string;
}

export interface GeneratedFile {
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

/** Where services and door reach Mosquitto. `/run/mosquitto` of Debian is closed to other users. */
export const backSideSocket = '/run/mosquitto-sallyport/broker.sock';

/** The whole configuration of a Mosquitto: it reads no other file, so no other file can open a listener. */
export function mosquittoFiles(access: MqttAccess, options: MosquittoOptions): GeneratedFile[] {
  const { direct, directory } = options;
  const isMutual = direct?.level === 'mutual';
  const names = isMutual ? 'certificate' : 'door';
  return [
    { name: 'mosquitto.conf', text: configuration(options), mode: 0o640 },
    { name: 'sallyport.acl', text: mosquittoAcl(access, names, options.devices), mode: 0o640 },
    ...(direct === undefined || isMutual
      ? []
      : [{ name: 'clients.acl', text: mosquittoAcl(access, 'nobody'), mode: 0o640 }]),
    ...(isMutual
      ? [{ name: 'dynamic-security.json', text: openDynamicSecurity, mode: 0o660 }]
      : [{ name: 'mosquitto.service.conf', text: serviceUnit(directory), mode: 0o644 }]),
  ];
}

function configuration(options: MosquittoOptions): string {
  const { direct } = options;
  const lines = [
    `# Mosquitto ${options.version} ${purposeOf(direct)}`,
    '# Made by "sallyport mqtt broker-config". It is complete: no other file is included.',
    ...general,
    ...(options.isDurable ? savedAtOnce : savedLater),
    ...(direct?.level === 'mutual' ? mutualListener(options, direct) : openListeners(options, direct)),
  ];
  return `${lines.join('\n')}\n`;
}

function purposeOf(direct: DirectListener | undefined): string {
  if (direct === undefined) return 'behind the MQTT entrance of Sallyport. Clients of the network do not reach it.';
  return `that clients reach directly, at level ${direct.level}.`;
}

const general: readonly string[] = [
  'user mosquitto',
  'pid_file /run/mosquitto/mosquitto.pid',
  'log_dest file /var/log/mosquitto/mosquitto.log',
  '',
  '# Keep messages for clients that are not connected, also over a restart.',
  'persistence true',
  'persistence_location /var/lib/mosquitto/',
  'max_queued_messages 100000',
  'max_inflight_messages 1000',
  'persistent_client_expiration 7d',
  '# Send small messages at once. Without this, a request between services takes 40 ms longer.',
  'set_tcp_nodelay true',
];

/** How often Mosquitto writes its state to disk, if not after each change. */
export const autosaveSeconds = 10;

const savedLater: readonly string[] = [
  '# A crash loses what is younger than this, in seconds, also what was acknowledged. docs/mosquitto.md ("What a crash',
  '# costs") says how to lose nothing, and why that is slow.',
  `autosave_interval ${autosaveSeconds}`,
];

const savedAtOnce: readonly string[] = [
  '# A crash loses nothing that was acknowledged, if mqtt.broker.waits_for_save is true. The price: for each turn with a',
  '# change, Mosquitto writes all that waits: 1,900 messages a second at best. docs/mosquitto.md ("What a crash costs").',
  'autosave_on_changes true',
  'autosave_interval 1',
  '# Values in $SYS are retained messages, so each would be one more change.',
  'sys_interval 0',
];

/** One listener with one set of rules: then the plug-in can end sessions of all clients. */
function mutualListener({ version, directory, plugins }: MosquittoOptions, direct: DirectListener): string[] {
  const { address, port, files, clients } = direct;
  return [
    '',
    '# Ends the sessions of revoked clients: a CRL alone keeps out new ones only. It gives no rights.',
    ...(version === '2.0'
      ? [`plugin ${plugins}/mosquitto_dynamic_security.so`]
      : [`global_plugin ${plugins}/mosquitto_dynamic_security.so`]),
    `plugin_opt_config_file ${directory}/dynamic-security.json`,
    ...(version === '2.0'
      ? [`acl_file ${directory}/sallyport.acl`]
      : [`global_plugin ${plugins}/mosquitto_acl_file.so`, `plugin_opt_acl_file ${directory}/sallyport.acl`]),
    'allow_anonymous false',
    '',
    `listener ${port} ${address}`,
    ...(files === undefined ? [] : [`certfile ${files.cert}`, `keyfile ${files.key}`]),
    ...(clients === undefined ? [] : [`cafile ${clients.ca}`, `crlfile ${clients.crl}`]),
    'tls_version tlsv1.2',
    'require_certificate true',
    '# The CN of the certificate is the name in the access rules.',
    'use_identity_as_username true',
  ];
}

function openListeners(options: MosquittoOptions, direct: DirectListener | undefined): string[] {
  const { version, directory, plugins } = options;
  const rules = ['sallyport', ...(direct === undefined ? [] : ['clients'])];
  return [
    '',
    ...(version === '2.0' ? ['per_listener_settings true'] : []),
    ...(version === '2.0'
      ? []
      : rules.flatMap((name) => [
          `plugin_load ${name} ${plugins}/mosquitto_acl_file.so`,
          `plugin_opt_acl_file ${directory}/${name}.acl`,
        ])),
    '',
    '# Only those who may open this socket: the MQTT entrance and the services. They say themselves who they are.',
    `listener 0 ${backSideSocket}`,
    ...listenerRights(options, 'sallyport'),
    ...(direct === undefined ? [] : directListener(options, direct)),
  ];
}

function directListener(options: MosquittoOptions, { address, port, files }: DirectListener): string[] {
  return [
    '',
    '# All clients of the network.',
    `listener ${port} ${address}`,
    ...(files === undefined ? [] : [`certfile ${files.cert}`, `keyfile ${files.key}`, 'tls_version tlsv1.2']),
    ...listenerRights(options, 'clients'),
  ];
}

function listenerRights({ version, directory }: MosquittoOptions, name: string): string[] {
  return version === '2.0'
    ? ['allow_anonymous true', `acl_file ${directory}/${name}.acl`]
    : ['listener_allow_anonymous true', `plugin_use ${name}`];
}

/** The socket is for the group of the services. Mosquitto has no option for that. */
function serviceUnit(directory: string): string {
  return `# Made by "sallyport mqtt broker-config", for ${directory}.
[Service]
RuntimeDirectory=mosquitto-sallyport
RuntimeDirectoryMode=0755
ExecStartPost=+/bin/chgrp tedge ${backSideSocket}
ExecStartPost=+/bin/chmod 0660 ${backSideSocket}
`;
}

/** The plug-in only ends sessions here. Rights come from the access rules, which Mosquitto asks first. */
const openDynamicSecurity = `${JSON.stringify(
  {
    defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
    clients: [],
    groups: [],
    roles: [],
  },
  undefined,
  2,
)}\n`;
