import { readTextIfPresent } from '@sallyport/files';
import {
  type ConfiguredGroup,
  type EntranceGroup,
  entranceDefinition,
  type Fingerprint,
  isMutualOnly,
  type SecurityLevel,
} from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { readSecurityFiles, type SecuritySettings } from '@sallyport/tls';
import { certificatesFromPem } from '@sallyport/x509';
import type { EntranceOptions } from './entrance.js';
import type { Address } from './entrance-listener.js';
import {
  type EntranceSettings,
  entranceAddress,
  entranceSettings,
  serviceCertificateFiles,
} from './entrance-settings.js';

export interface SecurityInForce {
  readonly level: SecurityLevel;
  readonly security: SecuritySettings;
  /** What the operator may want to mend, such as a CA file that was passed over. */
  readonly warnings: readonly string[];
}

/** Where an entrance's address, certificate, key and CAs come from. */
export interface SecuritySource {
  readonly group: EntranceGroup;
  /** The profile of a cloud whose settings it reads; undefined outside of profiles. */
  readonly profile?: string | undefined;
  /**
   * Undefined while its settings ask for none: the entrance is closed then, and that is no fault.
   *
   * @throws Problem `config-invalid`: the network interface of the settings has no such address.
   */
  address(): Address | undefined;
  /**
   * Reads what is in force now.
   *
   * @throws Problem `config-invalid`: settings or files do not fit together.
   */
  read(): Promise<SecurityInForce>;
  /**
   * Calls `onChanged` whenever `read` may give something else, such as other CAs. Absent when that happens with the
   * settings only.
   *
   * @returns ends the calls.
   */
  watch?(onChanged: () => void): () => void;
  /** Settings a level needs that are not set now; absent when the level does not follow from settings. */
  missingFor?(level: SecurityLevel): string[];
}

/** An entrance whose level the settings decide. */
export interface ConfiguredId {
  readonly group: ConfiguredGroup;
  readonly profile?: string | undefined;
}

/** What the table of entrances says about an entrance whose level the settings decide; the service adds its handler. */
export function configuredEntrance(context: ConnectedContext, id: ConfiguredId): Omit<EntranceOptions, 'handler'> {
  const definition = entranceDefinition(id.group);
  const { name, permittedKinds } = definition;
  return {
    name: id.profile === undefined ? name : `${name}, profile ${id.profile}`,
    source: configuredSource(context, id),
    mutualOnly: isMutualOnly(definition),
    ...(permittedKinds === undefined ? {} : { permittedKinds: new Set(permittedKinds) }),
  };
}

/** The operator's settings decide: `http.cert_path`, `http.key_path` and `http.ca_path`, or their like. */
export function configuredSource(context: ConnectedContext, id: ConfiguredId): SecuritySource {
  return {
    ...id,
    address: () => {
      // A setting that was read since it changed needs no restart. So read all of them, for a closed entrance too.
      entranceSettings(context.settings, id);
      return entranceAddress(context.settings, id);
    },
    read: async () => {
      const { level, settings, warnings } = await readSecurityFiles(entranceSettings(context.settings, id).paths);
      const ownIssuers = await siteIssuers(context);
      const { ca } = settings;
      const security = ca === undefined ? settings : { ...settings, ca: { ...ca, ownIssuers } };
      return { level, security, warnings };
    },
    missingFor: (level) => missingSettings(entranceSettings(context.settings, id), level),
  };
}

function missingSettings({ paths }: EntranceSettings, level: SecurityLevel): string[] {
  const { certPath, keyPath, caPath, keys } = paths;
  const isTls = level !== 'plain';
  const needed: [string, string | undefined, boolean][] = [
    [keys.cert, certPath, isTls],
    [keys.key, keyPath, isTls],
    [keys.ca, caPath, level === 'mutual'],
  ];
  return needed.flatMap(([key, path, isNeeded]) => (isNeeded && path === undefined ? [key] : []));
}

/** The CAs of this site as last fetched from the signer; none before the service first enrolled. */
async function siteIssuers(context: ConnectedContext): Promise<ReadonlySet<Fingerprint>> {
  const { clientCaPath, formerClientCaPath } = serviceCertificateFiles(context.settings, context.name);
  const pem = (await readTextIfPresent(clientCaPath)) ?? (await readTextIfPresent(formerClientCaPath)) ?? '';
  return new Set(certificatesFromPem(pem).map((certificate) => certificate.fingerprint));
}
