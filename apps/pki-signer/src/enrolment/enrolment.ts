import { hash } from 'node:crypto';
import {
  canonicalDeviceId,
  canonicalHost,
  deviceId,
  type Fingerprint,
  type LeafProfile,
  ocfUuidOf,
  Problem,
} from '@sallyport/protocol';
import { networkOf } from '@sallyport/tls';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory } from '../inventory/inventory.js';
import type { SupersededIdentities } from '../inventory/superseded-identities.js';
import type { Consumption, IssueOrder } from '../issuance/certificate-issuer.js';
import type { IncomingRequest } from '../issuance/incoming-request.js';
import type { Issuance, Requester } from '../issuance/issuance.js';
import { requestedNamesOf } from '../issuance/requested-names.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import type { EnrolmentLimits } from './caller-limits.js';
import type { OneTimeTokens, PresentedToken } from './one-time-tokens.js';

/** The request of a device that has no certificate yet. */
export interface EnrolmentRequest {
  /** User name of the request: the device id. */
  readonly name: string;
  readonly password: string;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
  /** Values of the connection, base64. Only called when the CSR has a challenge password. */
  readonly channelBindings: () => readonly string[];
  readonly remoteAddress: string;
  /** The token must be for this profile; any profile when absent. */
  readonly profile?: LeafProfile;
}

export interface EnrolmentOptions {
  readonly issuance: Issuance;
  readonly tokens: OneTimeTokens;
  readonly inventory: Inventory;
  readonly superseded: SupersededIdentities;
  readonly metrics: SignerMetrics;
  readonly limits: EnrolmentLimits;
}

/** A caller with a valid token. */
interface TokenHolder extends Requester {
  readonly token: PresentedToken;
}

// A wrong secret costs as much as this many requests.
const failureCost = 10;
const longestName = 64;

/** Gives a certificate for a one-time token. */
export class Enrolment {
  constructor(private readonly options: EnrolmentOptions) {}

  /**
   * A token yields exactly one certificate, even under concurrent use. The same request again, within ten minutes, gets
   * that certificate again: the answer may have been lost on the way.
   *
   * @throws Problem `credentials-invalid`: unknown name and wrong password alike; nothing happens to the token
   * @throws Problem `csr-rejected`, `csr-forbidden`, `forbidden`: nothing was signed, the token is still good
   * @throws Problem `rate-limited`, `unavailable`, `signing-key-unavailable`: try again later, the token is still good
   */
  async enrol(incoming: EnrolmentRequest): Promise<CertificateRecord> {
    const { issuance, limits, superseded } = this.options;
    const request = { ...incoming, name: canonicalName(incoming.name) };
    const { csr, channelBindings, remoteAddress } = request;
    const record = await issuance.issue({
      csr,
      channelBindings,
      queueKey: `enrolment ${callerOf(request)}`,
      limit: () => limits.byAddress.admit(networkOf(remoteAddress)),
      authenticate: () => this.holderOf(request),
      authorize: async (holder) => requireProfile(holder, request),
      findEarlier: ({ token }) => this.issuedFor(token),
      orderFor: (holder, order) => this.orderFor(holder, order),
    });
    await superseded.settle(record.deviceId);
    return record;
  }

  /**
   * Wrong guesses of others never slow down a caller with the right token: 120 bits cannot be guessed, so no lock is
   * needed. Callers that guess are slowed down, by name and network, so that guesses cause few writes.
   */
  private async holderOf(request: EnrolmentRequest): Promise<TokenHolder> {
    const { tokens, limits } = this.options;
    const attempt = await tokens.present(request.name, request.password, hash('sha256', request.csr));
    if (attempt.isRight) {
      limits.byName.admit(callerOf(request));
      const { deviceId: subject, profile } = attempt.token.record;
      return { actor: `${profile}:${subject}@${request.remoteAddress}`, subject, token: attempt.token };
    }
    this.options.metrics.failedTokens.inc();
    limits.byAddress.charge(networkOf(request.remoteAddress), failureCost);
    limits.guesses.admit(callerOf(request));
    limits.guesses.charge(callerOf(request), failureCost);
    await tokens.countFailure(request.name);
    throw new Problem('credentials-invalid', 'Device id or one-time password are wrong, or the password is used up.');
  }

  private async issuedFor({ record: { use } }: PresentedToken): Promise<CertificateRecord | undefined> {
    if (use === undefined) return undefined;
    const { record } = await this.options.inventory.find(use.fingerprint);
    if (record.revocation === undefined) return record;
    throw new Problem('forbidden', 'The certificate issued for this request has been revoked. Get a new token.');
  }

  private orderFor({ actor, subject, token }: TokenHolder, { csr, digest }: IncomingRequest): IssueOrder {
    const { profile, reinstate, subjectAltNames } = token.record;
    return {
      csr,
      name: subject,
      profile,
      provisioner: 'token',
      actor,
      permittedHosts: subjectAltNames.map(({ value }) => canonicalHost(value)),
      requested: requestedNamesOf(csr),
      reinstate,
      consume: (fingerprint) => this.consumption(token, { digest, fingerprint, actor }),
    };
  }

  /** The token, and for an OCF device its earlier identities. */
  private consumption(token: PresentedToken, { digest, fingerprint, actor }: Spending): Consumption {
    const { tokens, superseded } = this.options;
    const { deviceId: subject, profile } = token.record;
    const spent = tokens.spending(token, digest, fingerprint);
    if (profile !== 'device' || ocfUuidOf(subject) === undefined) return spent;
    return { ...spent, operations: [...spent.operations, superseded.debtOf(subject, fingerprint, actor)] };
  }
}

interface Spending {
  /** SHA-256 of the CSR. */
  readonly digest: string;
  /** Of the certificate. */
  readonly fingerprint: Fingerprint;
  readonly actor: string;
}

/** Not checked for a used token: its answer was given already. */
function requireProfile(holder: TokenHolder, { profile: wanted }: EnrolmentRequest): TokenHolder {
  const { use, profile } = holder.token.record;
  if (use === undefined && wanted !== undefined && wanted !== profile)
    throw new Problem('forbidden', `The one-time password is for profile "${profile}".`);
  return holder;
}

/** The name that tokens are kept under; a text that is no name stays as it is. */
function canonicalName(sent: string): string {
  const name = deviceId.safeParse(sent).data;
  return name === undefined ? sent : canonicalDeviceId(name);
}

/**
 * Network and name together, so that nobody can use up the limit of a device in another network. The name is cut,
 * because the memory for each caller must be bounded.
 */
function callerOf({ name, remoteAddress }: EnrolmentRequest): string {
  return `${networkOf(remoteAddress)} ${name.slice(0, longestName)}`;
}
