import { createHmac, randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { makeFolder, readTextIfPresent, writeFileOnce } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

/**
 * Signs what is sent to webhooks, so that a receiver knows it comes from here. The secret is in a file that only its
 * owner can read. To change it, write another one into the file and restart the registry.
 */
export class WebhookSecret {
  private constructor(private readonly secret: string) {}

  /**
   * Reads the secret, or makes one.
   *
   * @throws Problem `config-invalid`: the file holds too little
   */
  static async open(path: string): Promise<WebhookSecret> {
    await makeFolder(dirname(path), 0o700);
    await writeFileOnce(path, `${randomBytes(32).toString('base64url')}\n`, 0o600);
    const secret = (await readTextIfPresent(path))?.trim() ?? '';
    if (secret.length < 32)
      throw new Problem(
        'config-invalid',
        `The secret of the webhooks has less than 32 characters. Remove ${path}, and the registry makes a new one.`,
      );
    return new WebhookSecret(secret);
  }

  /**
   * Value of the header `Sallyport-Signature`: `t=<seconds since 1970>,v1=<HMAC-SHA-256 in hexadecimal>` over
   * `<seconds>.<body>`. The time is signed too, so that a receiver can refuse what somebody sends again later.
   */
  sign(body: string, now: Date): string {
    const seconds = Math.floor(now.getTime() / 1000);
    const digest = createHmac('sha256', this.secret).update(`${seconds}.${body}`).digest('hex');
    return `t=${seconds},v1=${digest}`;
  }
}
