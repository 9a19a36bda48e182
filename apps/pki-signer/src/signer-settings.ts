import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { type OcfUuid, Problem, statePlaces } from '@sallyport/protocol';

/** What the signer takes from the configuration; durations in seconds. */
export interface SignerSettings {
  readonly organization: string;
  readonly trustDomain: string;
  readonly publicUrl: string;
  readonly tokenValiditySeconds: number;
  readonly deviceValiditySeconds: number;
  readonly serviceValiditySeconds: number;
  /** How long after its end a device may still renew its certificate; 0: not at all. */
  readonly renewalGraceSeconds: number;
  readonly rootValiditySeconds: number;
  readonly issuingValiditySeconds: number;
  readonly crlValiditySeconds: number;
  readonly crlIntervalSeconds: number;
  /** Where the CRLs of all CAs are also written, in PEM. */
  readonly crlFile?: string | undefined;
  readonly hostnames: readonly string[];
  /** `coap.hub_id`; the id that follows from the id of the site when absent. */
  readonly hubId?: OcfUuid | undefined;
  readonly files: SignerFiles;
}

/** Where the signer keeps what is secret. */
export interface SignerFiles {
  /** CA keys, encrypted. Part of the backup of the data. */
  readonly keyDirectory: string;
  /** Opens the CA keys. It is in the configuration, not in the data, so that one backup alone gives no key. */
  readonly passphraseFile: string;
  /** Secret key of the digests of one-time tokens. */
  readonly pepperFile: string;
  /** Key and certificate of the signer's own entrance. */
  readonly serverIdentityFile: string;
  /** Has a folder for each service of this machine, with its certificate. */
  readonly serviceCertificates: string;
  /** The id of the site; not secret. */
  readonly markerFile: string;
  /** What the signer must not forget, whatever happens to the store. */
  readonly journalFolder: string;
  /** CRLs whose revocations are taken in at the start, after a restore. */
  readonly revocationLists: string;
}

/** Where an entrance listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where EST is answered. */
export function estAddress(settings: Settings): Address {
  return { host: settings.require('pki.bind.address'), port: settings.require('pki.bind.port') };
}

/** Where EST is answered over CoAP. */
export function coapEstAddress(settings: Settings): Address {
  return { host: settings.require('pki.coap.bind.address'), port: settings.require('pki.coap.bind.port') };
}

/** Where CRLs and CA certificates are handed out. */
export function publicAddress(settings: Settings): Address {
  return { host: settings.require('pki.public.bind.address'), port: settings.require('pki.public.bind.port') };
}

const leafValidityKeys = ['pki.profile.device.validity', 'pki.profile.service.validity'] as const;

/**
 * Reads the settings of the signer.
 *
 * @throws Problem `config-invalid`: a certificate would live longer than the CA that issues it
 */
export function signerSettings(settings: Settings): SignerSettings {
  for (const key of leafValidityKeys) requireShorterThanIssuer(settings, key);
  return {
    organization: settings.require('pki.organization'),
    trustDomain: settings.require('pki.trust_domain'),
    publicUrl: settings.require('pki.public.url').replace(/\/+$/, ''),
    tokenValiditySeconds: settings.require('pki.token.validity'),
    deviceValiditySeconds: settings.require('pki.profile.device.validity'),
    serviceValiditySeconds: settings.require('pki.profile.service.validity'),
    renewalGraceSeconds: settings.require('pki.renewal.grace'),
    rootValiditySeconds: settings.require('pki.root.validity'),
    issuingValiditySeconds: settings.require('pki.issuing.validity'),
    crlValiditySeconds: settings.require('pki.crl.validity'),
    crlIntervalSeconds: settings.require('pki.crl.interval'),
    crlFile: settings.get('pki.crl.file'),
    hostnames: settings.require('pki.hostnames'),
    hubId: settings.get('coap.hub_id'),
    files: signerFiles(settings),
  };
}

/** A certificate cannot live longer than its CA. It would be cut shorter and shorter, until none can be issued. */
function requireShorterThanIssuer(settings: Settings, key: (typeof leafValidityKeys)[number]): void {
  const [leafSeconds, issuerSeconds] = [settings.require(key), settings.require('pki.issuing.validity')];
  if (leafSeconds <= issuerSeconds) return;
  throw new Problem(
    'config-invalid',
    `${key} is ${leafSeconds} s, longer than pki.issuing.validity, ${issuerSeconds} s: a certificate cannot outlive the CA that issues it. Make one shorter or the other longer.`,
  );
}

function signerFiles({ stateDirectory, dataDirectory }: Settings): SignerFiles {
  const places = statePlaces(stateDirectory);
  return {
    keyDirectory: join(dataDirectory, 'pki', 'keys'),
    passphraseFile: places.passphrase,
    pepperFile: places.tokenSecret,
    serverIdentityFile: places.signerIdentity,
    serviceCertificates: places.services,
    markerFile: places.markerOf('pki-signer'),
    journalFolder: places.journalOf('pki-signer'),
    revocationLists: places.revocationLists,
  };
}
