import type { CloudConnection } from '@sallyport/cloud';

const clouds = { c8y: 'Cumulocity', az: 'Azure', aws: 'AWS' } as const;

/** The cloud as people call it. */
export function cloudTitle({ kind, name }: Pick<CloudConnection, 'kind' | 'name'>): string {
  return kind === 'custom' ? name : clouds[kind];
}

/** The settings in force, line by line, in the form and order of thin-edge.io. No secret is among them. */
export function settingLines(connection: CloudConnection, brokerPlace: string): string[] {
  const { profile, mqtt, httpProxy } = connection;
  const fields = [
    ['device id', connection.deviceId],
    ['cloud profile', profile ?? '<none>'],
    ['cloud host', `${mqtt.host}:${mqtt.port}`],
    ...authenticationFields(connection),
    ['bridge', 'built-in'],
    ['local broker', brokerPlace],
    ['proxy', httpProxy === undefined ? 'Not configured' : `${httpProxy.host}:${httpProxy.port}`],
  ];
  return fields.map(([label, value]) => `\t${label}: ${value}`);
}

function authenticationFields({ authMethod, identity, rootCertPath, settingNames }: CloudConnection): string[][] {
  const roots = ['trusted CAs', rootCertPath];
  if (identity === undefined)
    return [
      ['auth type', authMethod === 'basic' ? 'Basic' : 'None'],
      ['credentials from', settingNames.credentialsPath],
      roots,
    ];
  return [
    ['auth type', 'Certificate'],
    ['certificate file', identity.certPath],
    ['private key file', identity.keyPath],
    roots,
  ];
}
