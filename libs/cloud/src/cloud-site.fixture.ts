import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadSettings } from '@sallyport/config';
import { temporaryDirectory } from '@sallyport/testkit';
import type { CloudConnection } from './cloud-connection.js';
import { cloudConnection } from './read-connection.js';

/** A configuration directory, and what its settings say about clouds. */
export class CloudSite implements AsyncDisposable {
  private readonly directory = temporaryDirectory('sallyport-cloud-');

  /** Makes a directory with these files; `tedge.toml` is the settings file. */
  static async create(files: Readonly<Record<string, string>>): Promise<CloudSite> {
    const site = new CloudSite();
    for (const [name, text] of Object.entries(files)) await site.write(name, text);
    return site;
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), text);
  }

  path(name = ''): string {
    return this.directory.file(name);
  }

  async settings(env: Readonly<Record<string, string>> = {}) {
    const { settings } = await loadSettings({ configDir: this.path(), env, cwd: '/' });
    return settings;
  }

  async connection(name = 'c8y', env: Readonly<Record<string, string>> = {}): Promise<CloudConnection> {
    return cloudConnection(await this.settings(env), name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory.remove();
  }
}
