import { hash } from 'node:crypto';
import { type Fingerprint, type LeafProfile, Problem } from '@sallyport/protocol';
import { networkOf } from '@sallyport/tls';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory } from '../inventory/inventory.js';
import type { CertificateIssuer } from '../issuance/certificate-issuer.js';
import { type IncomingRequest, readRequest } from '../issuance/incoming-request.js';
import type { RefusalLog } from '../issuance/refusal-log.js';
import type { RegistryGate } from '../issuance/registry-gate.js';
import { canonicalHost, requestedNamesOf } from '../issuance/requested-names.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import { untilStored } from '../issuance/until-stored.js';
import { KeyedQueue } from './keyed-queue.js';
import type { OneTimeTokens, PresentedToken } from './one-time-tokens.js';
import type { RateLimit } from './rate-limit.js';

/** A first enrolment, as it came in. */
export interface EnrolmentRequest {
  /** User name of the request: the device id. */
  readonly name: string;
  readonly password: string;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
  /** Of the connection, base64; asked for only when the CSR refers to it. */
  readonly channelBindings: () => readonly string[];
  readonly remoteAddress: string;
  /** Only a token of this profile will do; any when absent. */
  readonly profile?: LeafProfile;
}

export interface EnrolmentOptions {
  readonly tokens: OneTimeTokens;
  readonly issuer: CertificateIssuer;
  readonly inventory: Inventory;
  readonly hierarchy: Hierarchy;
  readonly refusals: RefusalLog;
  readonly registry: RegistryGate;
  /** `guesses`: how often a name may be wrong. */
  readonly limits: CallerLimits & { readonly guesses: RateLimit };
  readonly metrics: SignerMetrics;
}

/** How often one address, and one name, may ask. */
export interface CallerLimits {
  readonly byAddress: RateLimit;
  readonly byName: RateLimit;
}

// A wrong secret costs as much as this many requests.
const failureCost = 10;
const longestName = 64;

/** Pays for a certificate with a one-time token. */
export class Enrolment {
  private readonly queue = new KeyedQueue();

  constructor(private readonly options: EnrolmentOptions) {}

  /**
   * Exactly one certificate comes of a token, however often and however parallel it is presented. The same request
   * again, within ten minutes, gets that certificate again: the answer may have been lost on the way.
   *
   * @throws Problem `credentials-invalid`: unknown name and wrong password alike; nothing happens to the token
   * @throws Problem `csr-rejected`, `csr-forbidden`, `forbidden`: nothing was signed, the token is still good
   * @throws Problem `rate-limited`, `unavailable`, `signing-key-unavailable`: try again later, the token is still good
   */
  async enrol(request: EnrolmentRequest): Promise<CertificateRecord> {
    const { limits } = this.options;
    limits.byAddress.admit(networkOf(request.remoteAddress));
    // One after the other for each caller: guesses are counted before the next is judged, and nothing is signed twice.
    return this.queue.run(callerOf(request), () => this.enrolInTurn(request));
  }

  private enrolInTurn(request: EnrolmentRequest): Promise<CertificateRecord> {
    return untilStored(this.options.hierarchy, async () => this.redeem(await this.present(request), request));
  }

  /**
   * A right token is never slowed by the guesses of others, whatever they do: 120 bits need no lock. Who guesses is
   * slowed, by name and network, and so costs no more writes than that.
   */
  private async present(request: EnrolmentRequest): Promise<PresentedToken> {
    const { tokens, limits } = this.options;
    const attempt = await tokens.present(request.name, request.password, hash('sha256', request.csr));
    if (attempt.isRight) {
      limits.byName.admit(callerOf(request));
      return attempt.token;
    }
    this.options.metrics.failedTokens.inc();
    limits.byAddress.charge(networkOf(request.remoteAddress), failureCost);
    limits.guesses.admit(callerOf(request));
    limits.guesses.charge(callerOf(request), failureCost);
    await tokens.countFailure(request.name);
    throw new Problem('credentials-invalid', 'Device id or one-time password are wrong, or the password is used up.');
  }

  private redeem(token: PresentedToken, request: EnrolmentRequest): Promise<CertificateRecord | undefined> {
    const { use, deviceId: subject } = token.record;
    return this.options.refusals.watch({ actor: actorOf(token, request), subject, csr: request.csr }, async () =>
      use === undefined ? this.issueFor(token, request) : this.issuedBefore(use.fingerprint),
    );
  }

  private async issuedBefore(fingerprint: Fingerprint): Promise<CertificateRecord> {
    const { record } = await this.options.inventory.find(fingerprint);
    if (record.revocation === undefined) return record;
    throw new Problem('forbidden', 'The certificate issued for this request has been revoked. Get a new token.');
  }

  private async issueFor(token: PresentedToken, request: EnrolmentRequest): Promise<CertificateRecord | undefined> {
    const { issuer, registry, metrics } = this.options;
    const { deviceId, profile, reinstate, subjectAltNames } = token.record;
    if (request.profile !== undefined && request.profile !== profile)
      throw new Problem('forbidden', `The one-time password is for profile "${profile}".`);
    const incoming = await metrics.timed('verify', () => readRequest(request.csr, request.channelBindings));
    await registry.require({ deviceId, kind: profile, reinstate });
    return issuer.issue({
      csr: incoming.csr,
      name: deviceId,
      profile,
      provisioner: 'token',
      actor: actorOf(token, request),
      permittedHosts: subjectAltNames.map(({ value }) => canonicalHost(value)),
      requested: requestedNamesOf(incoming.csr),
      reinstate,
      payment: (fingerprint) => this.payment(token, incoming, fingerprint),
    });
  }

  private payment(token: PresentedToken, { digest }: IncomingRequest, fingerprint: Fingerprint) {
    const [compare, operation] = this.options.tokens.spending(token, digest, fingerprint);
    return { compares: [compare], operations: [operation] };
  }
}

/**
 * Network and name, so that nobody can use up what a device elsewhere may ask. The name as far as it can be one: what is
 * remembered of a caller has a bounded size.
 */
function callerOf({ name, remoteAddress }: EnrolmentRequest): string {
  return `${networkOf(remoteAddress)} ${name.slice(0, longestName)}`;
}

function actorOf({ record }: PresentedToken, { remoteAddress }: EnrolmentRequest): string {
  return `${record.profile}:${record.deviceId}@${remoteAddress}`;
}
