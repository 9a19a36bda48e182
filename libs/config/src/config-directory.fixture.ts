import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type OnFinished = (cleanUp: () => Promise<void>) => void;

/** Makes configuration directories that exist as long as the running test, with this tedge.toml in them. */
export function configDirectories(onTestFinished: OnFinished) {
  return async (toml?: string | Uint8Array): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-config-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    if (toml !== undefined) await writeFile(join(directory, 'tedge.toml'), toml);
    return directory;
  };
}
