import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { Problem } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { describeFault } from './failure.js';
import { asUser, foreignOwner } from './file-owner.js';

describe('a file of another user', () => {
  it.skipIf(userInfo().uid !== 0)('has that user named in the remedy', async () => {
    await using directory = temporaryDirectory();
    const folder = directory.file('certs');
    const path = `${folder}/key.pem`;
    await mkdir(folder);
    await writeFile(path, '');
    await chmod(path, 0o600);
    await chown(path, 1, 1);
    await chown(folder, 54_321, 54_321);
    const fault = (file: string) => Object.assign(new Error('open'), { code: 'EACCES', path: file });

    expect(describeFault(fault(path))).toEqual({
      what: `${path}: permission denied.`,
      remedy: 'It belongs to daemon. Run the command so: sudo -u daemon sallyport COMMAND',
      type: 'failed',
    });
    const unread = new Problem('config-invalid', 'tedge.toml cannot be read (EACCES). Check its permissions.', {
      cause: fault(`${folder}/tedge.toml`),
    });
    expect(describeFault(unread)).toEqual({
      what: 'tedge.toml cannot be read (EACCES).',
      remedy: `${folder} belongs to 54321. Run the command so: sudo -u '#54321' sallyport COMMAND`,
      type: 'config-invalid',
    });
    expect(foreignOwner(`${folder}/none.pem`)).toBe('54321');
    expect(asUser('54321')).toBe("sudo -u '#54321' sallyport COMMAND");
    expect(foreignOwner(directory.path)).toBeUndefined();
  });
});
