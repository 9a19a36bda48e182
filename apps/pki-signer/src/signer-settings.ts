import { join } from 'node:path';
import type { Settings } from '@sallyport/config';

/** What the signer takes from the configuration; durations in seconds. */
export interface SignerSettings {
  readonly organization: string;
  readonly trustDomain: string;
  readonly publicUrl: string;
  readonly tokenValiditySeconds: number;
  readonly deviceValiditySeconds: number;
  readonly serviceValiditySeconds: number;
  readonly rootValiditySeconds: number;
  readonly issuingValiditySeconds: number;
  readonly crlValiditySeconds: number;
  readonly crlIntervalSeconds: number;
  readonly hostnames: readonly string[];
  readonly files: SignerFiles;
}

/** Where the signer keeps what is secret. */
export interface SignerFiles {
  /** CA keys, encrypted; belongs into the backup of the data. */
  readonly keyDirectory: string;
  /** Opens the CA keys. Configuration, not data: whoever has one backup alone has no key. */
  readonly passphraseFile: string;
  /** Keys the digests of one-time tokens. */
  readonly pepperFile: string;
  /** Key and certificate of the signer's own listener. */
  readonly serverIdentityFile: string;
}

/** Reads the settings of the signer. */
export function signerSettings(settings: Settings): SignerSettings {
  return {
    organization: settings.require('pki.organization'),
    trustDomain: settings.require('pki.trust_domain'),
    publicUrl: settings.require('pki.public.url').replace(/\/+$/, ''),
    tokenValiditySeconds: settings.require('pki.token.validity'),
    deviceValiditySeconds: settings.require('pki.profile.device.validity'),
    serviceValiditySeconds: settings.require('pki.profile.service.validity'),
    rootValiditySeconds: settings.require('pki.root.validity'),
    issuingValiditySeconds: settings.require('pki.issuing.validity'),
    crlValiditySeconds: settings.require('pki.crl.validity'),
    crlIntervalSeconds: settings.require('pki.crl.interval'),
    hostnames: settings.require('pki.hostnames'),
    files: signerFiles(settings),
  };
}

function signerFiles({ directory, dataDirectory }: Settings): SignerFiles {
  return {
    keyDirectory: join(dataDirectory, 'pki', 'keys'),
    passphraseFile: join(directory, 'pki', 'key-passphrase'),
    pepperFile: join(directory, 'pki', 'token-pepper'),
    serverIdentityFile: join(directory, 'pki', 'server-identity.pem'),
  };
}
