import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '@sallyport/identity';
import { type ProgramResult, runProgram } from '@sallyport/testkit';
import { HttpDevice } from './local-devices.js';

/** A device whose timer calls `cert needs-renewal` and `cert renew`. */
export class CliDevice extends HttpDevice {
  override async begin(): Promise<void> {
    const { name, secret } = this.spec;
    await mkdir(join(this.spec.directory, 'device-certs'), { recursive: true });
    const words = ['--device-id', name, '--one-time-password', secret, '--url', this.estUrl];
    succeeded(await this.sallyport('cert', 'download', ...words));
  }

  protected override get files(): CertificateFiles {
    const file = (name: string) => join(this.spec.directory, 'device-certs', name);
    return { certPath: file('tedge-certificate.pem'), keyPath: file('tedge-private-key.pem'), caPath: file('ca.pem') };
  }

  protected override async isRenewalDue(): Promise<boolean> {
    const result = await this.sallyport('cert', 'needs-renewal');
    if (result.exitCode > 1) throw new Error(result.stderr);
    return result.exitCode === 0;
  }

  protected override async renew(): Promise<void> {
    succeeded(await this.sallyport('cert', 'renew', '--url', this.estUrl));
  }

  private sallyport(...words: string[]): Promise<ProgramResult> {
    return runProgram(process.execPath, [this.site.cli, '--config-dir', this.spec.directory, ...words]);
  }
}

function succeeded({ exitCode, stdout, stderr }: ProgramResult): void {
  if (exitCode !== 0) throw new Error(`the CLI ended with ${exitCode}: ${stderr}${stdout}`);
}
