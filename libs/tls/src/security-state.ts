import type { SecureContext } from 'node:tls';
import type { SecurityLevel } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { buildSecureContext, contextWarnings } from './secure-context.js';
import { type ClientCertificatePolicy, checkComplete, levelOf, type SecuritySettings } from './settings.js';
import { TrustStore } from './trust-store.js';

/** One set of security settings, made ready for use. A reload replaces it as a whole. */
export interface SecurityState {
  readonly level: SecurityLevel;
  readonly clientCertificate: ClientCertificatePolicy;
  readonly trust: TrustStore;
  readonly renewableFrom?: readonly Certificate[] | undefined;
  /** Whether the settings have a list of trusted CAs, even an empty one. */
  readonly namesTrust: boolean;
  /** Absent at level `plain`. */
  readonly context?: SecureContext;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** @throws Problem `config-invalid`: the settings are incomplete, or OpenSSL does not take them. */
export async function prepareSecurity(name: string, settings: SecuritySettings): Promise<SecurityState> {
  checkComplete(name, settings);
  const level = levelOf(settings);
  const trust = new TrustStore(settings.ca ?? { certificates: [], ownIssuers: new Set() });
  const namesTrust = settings.ca !== undefined;
  if (level === 'plain') return { level, clientCertificate: 'none', trust, namesTrust, warnings: [] };
  const context = await buildSecureContext(settings);
  const { clientCertificate, renewableFrom } = settings;
  const warnings = contextWarnings(settings);
  return { level, clientCertificate, trust, renewableFrom, namesTrust, context, warnings };
}

/** The security settings that a listener uses now, and those it used just before. */
export class SecurityInUse {
  private readonly formerTlsMs: number;
  private state: SecurityState;
  private former: { readonly state: SecurityState; readonly until: number } | undefined;

  /** @param formerTlsMs  how long TLS clients are still served after a switch to plain text, in milliseconds */
  constructor(state: SecurityState, formerTlsMs: number) {
    this.state = state;
    this.formerTlsMs = formerTlsMs;
  }

  get current(): SecurityState {
    return this.state;
  }

  /** The security for a new TLS client. For a short time after a switch to plain HTTP, that is the former one. */
  get forTls(): SecurityState {
    const former = this.former;
    return former !== undefined && performance.now() < former.until ? former.state : this.state;
  }

  replace(state: SecurityState): void {
    if (state.level !== 'plain') this.former = undefined;
    else if (this.state.context !== undefined)
      this.former = { state: this.state, until: performance.now() + this.formerTlsMs };
    this.state = state;
  }
}
