import { join } from 'node:path';
import type { CloudKind, Settings } from '@sallyport/config';
import { builtInConnection } from './built-in-connection.js';
import { parseCloudName } from './cloud-name.js';
import { mapperConnection } from './mapper-connection.js';

/** A host and a port. The host is a DNS name or an IP address, without brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** The files a device proves itself with. */
export interface IdentityFiles {
  /** Leaf first, then intermediates (PEM). */
  readonly certPath: string;
  /** Unencrypted private key (PEM). */
  readonly keyPath: string;
}

/** User name and password for a cloud. Never log them, and never show them in an error. */
export interface CloudCredentials {
  readonly username: string;
  readonly password: string;
}

/** The HTTP proxy between this device and its clouds. */
export interface HttpProxy extends HostAndPort {
  /** True when the proxy itself is reached over TLS (`https://`). */
  readonly isTls: boolean;
  readonly username: string | undefined;
  /** Never log it, and never show it in an error. */
  readonly password: string | undefined;
  /** Hosts that are reached without it, as the setting has them. */
  readonly noProxy: readonly string[];
}

/** Settings by the name a person has to use, for advice: `c8y.profiles.plant2.root_cert_path`. */
export interface CloudSettingNames {
  readonly url: string;
  /** What the broker comes from: the setting for it alone if somebody set it, else `url`. */
  readonly mqttHost: string;
  /** As `mqttHost`, for the REST API. */
  readonly httpHost: string;
  readonly rootCertPath: string;
  readonly certPath: string;
  readonly keyPath: string;
  readonly deviceId: string;
  readonly credentialsPath: string;
  readonly authMethod: string;
}

/** Everything that is known about a connection to a cloud before it is dialled. Files are read later, at each dial. */
export interface CloudConnection {
  /** As in `cloud.connections`: `c8y`, `c8y@plant2`, or the name of a user-defined mapper. */
  readonly name: string;
  readonly kind: CloudKind;
  readonly profile: string | undefined;
  /** The broker. `isTls` is false only for a user-defined mapper without TLS. */
  readonly mqtt: HostAndPort & { readonly isTls: boolean };
  /** The REST API. Only Cumulocity (`c8y`) has one. */
  readonly http: HostAndPort | undefined;
  /** Identity of this device in that cloud, which is the MQTT client id too. */
  readonly deviceId: string;
  /**
   * What the device proves itself with; with `auto`, what it came to. `none` only for a user-defined mapper without TLS
   * and without credentials.
   */
  readonly authMethod: 'certificate' | 'basic' | 'none';
  /** Files of certificate and key. Only with `certificate`. */
  readonly identity: IdentityFiles | undefined;
  /** A file or a directory, with its sub-directories: the only CAs the cloud may prove itself with. */
  readonly rootCertPath: string;
  /** First levels of the local topics, and part of the names of services. */
  readonly topicPrefix: string;
  readonly keepAliveSeconds: number;
  /** Largest MQTT packet towards the cloud; undefined: no limit. */
  readonly maxPayloadBytes: number | undefined;
  /** Whether the broker of the cloud forgets the session of this device when it disconnects. */
  readonly isCleanSession: boolean;
  /** Undefined: no proxy is set. `no_proxy` is looked at when dialling. */
  readonly httpProxy: HttpProxy | undefined;
  /** Where the bridge rules, and the settings of a user-defined mapper, are: `<config>/mappers/<name>`. */
  readonly directory: string;
  readonly settingNames: CloudSettingNames;
  /** The setting of `settingNames` as a command to set it: `tedge config set c8y.url HOST --profile plant2`. */
  commandToSet(name: keyof CloudSettingNames, value: string): string;
  /**
   * Reads user name and password from their file.
   *
   * @throws Problem `config-invalid`: authentication is not `basic`, or the file does not hold both. Its text names the
   *   file, and nothing from it.
   */
  credentials(): Promise<CloudCredentials>;
}

/**
 * What the settings say about one cloud connection. It opens no connection.
 *
 * @param name as in `cloud.connections`; it need not be listed there
 * @throws Problem `invalid-request`: the name is none
 * @throws Problem `config-invalid`: a setting is missing or wrong, each with its name and the command to set it; a key in
 *   a hardware module (PKCS#11) is one
 * @throws Problem `not-found`: there is no such profile, or no such user-defined mapper
 */
export function cloudConnection(settings: Settings, name: string): Promise<CloudConnection> {
  const cloud = parseCloudName(name);
  const directory = join(settings.directory, 'mappers', cloud.name.replace('@', '.'));
  return cloud.kind === 'custom'
    ? mapperConnection(settings, { name: cloud.name, directory })
    : builtInConnection(settings, { name: cloud.name, kind: cloud.kind, profile: cloud.profile, directory });
}
