import type { CloudConnection } from '@sallyport/cloud';
import { placeText } from '@sallyport/cloud';
import { blankUnprintable } from '@sallyport/protocol';
import { type Certificate, pemFromDer } from '@sallyport/x509';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { askCloudApi, type CloudAnswer, type CloudRequest } from './cloud-exchange.js';
import type { TenantUser } from './tenant-user.js';

const tenant = z.object({ name: z.string().regex(/^[\w.-]{1,64}$/) });
const trusted = z.object({
  proofOfPossessionValid: z.boolean().optional(),
  proofOfPossessionUnsignedVerificationCode: z.string().max(1024).optional(),
});

/** The trusted certificates of a Cumulocity tenant, as a user of it sees them. */
export class TenantApi {
  constructor(
    private readonly context: CliContext,
    private readonly connection: CloudConnection,
    private readonly user: TenantUser,
  ) {}

  /** The id of the tenant, such as `t12345`. @throws Failure: user name or password is wrong */
  async tenantName(): Promise<string> {
    const answer = await this.ask({ method: 'GET', path: '/tenant/currentTenant' });
    if (answer.status === 401)
      throw new Failure(
        `${this.place} does not accept the user "${this.user.name}" with this password.`,
        'Check both. With two-factor authentication, use a user without it.',
      );
    const { data } = tenant.safeParse(jsonIn(answer));
    if (answer.status !== 200 || data === undefined) throw this.unexpected(answer, 'the name of the tenant');
    return data.name;
  }

  /**
   * Lets the tenant trust a certificate.
   *
   * @returns false when it was there already
   * @throws Failure: the tenant refuses it
   */
  async trust(tenantName: string, name: string, certificate: Certificate): Promise<boolean> {
    const path = `/tenant/tenants/${tenantName}/trusted-certificates`;
    const certInPemFormat = pemFromDer('CERTIFICATE', certificate.der);
    const body = { name, certInPemFormat, autoRegistrationEnabled: true, status: 'ENABLED' };
    const answer = await this.ask({ method: 'POST', path, body });
    if (answer.status === 409) return false;
    if (answer.status !== 200 && answer.status !== 201)
      throw this.unexpected(answer, 'that the certificate is trusted');
    return true;
  }

  /** The text to sign as a proof that the key of a CA is held; undefined when the tenant wants no proof. */
  async verificationCode(tenantName: string, certificate: Certificate): Promise<string | undefined> {
    const answer = await this.ask({ method: 'POST', path: `${proofPath(tenantName, certificate)}/verification-code` });
    const { data } = trusted.safeParse(jsonIn(answer));
    if (answer.status !== 200 || data === undefined) throw this.unexpected(answer, 'a verification code');
    return data.proofOfPossessionValid === true ? undefined : data.proofOfPossessionUnsignedVerificationCode;
  }

  /** @param signature of the verification code: SHA-256, base64. @throws Failure: the tenant does not accept it */
  async proveKey(tenantName: string, certificate: Certificate, signature: string): Promise<void> {
    const body = { proofOfPossessionSignedVerificationCode: signature };
    const answer = await this.ask({ method: 'POST', path: `${proofPath(tenantName, certificate)}/pop`, body });
    if (answer.status !== 200) throw this.unexpected(answer, 'that the proof of possession is accepted');
  }

  private ask(request: Omit<CloudRequest, 'headers'>): Promise<CloudAnswer> {
    const { name, password } = this.user;
    const authorization = `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`;
    return askCloudApi(this.context, this.connection, { ...request, headers: { authorization } });
  }

  private get place(): string {
    return this.connection.http === undefined ? this.connection.name : placeText(this.connection.http);
  }

  private unexpected({ status, body }: CloudAnswer, wanted: string): Failure {
    const said = z.object({ message: z.string() }).safeParse(jsonIn({ status, body })).data?.message ?? '';
    const reason = said === '' ? '' : `: ${blankUnprintable(said).slice(0, longestMessage)}`;
    return new Failure(
      `${this.place} answered with status ${status} instead of ${wanted}${reason}.`,
      status === 403
        ? `The user "${this.user.name}" needs the permission to manage tenants.`
        : 'Look at the trusted certificates of the tenant.',
    );
  }
}

const longestMessage = 300;

function proofPath(tenantName: string, { fingerprintSha1 }: Certificate): string {
  return `/tenant/tenants/${tenantName}/trusted-certificates-pop/${fingerprintSha1}`;
}

function jsonIn({ body }: CloudAnswer): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
