import type { CloudKind } from '@sallyport/config';

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
