import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The user to whom a file belongs that we may not touch, or else the folder that keeps us out.
 *
 * @returns the name, or the number if the user has no name; undefined if the file is ours or nobody can say
 */
export function foreignOwner(path: string): string | undefined {
  const uid = ownerId(path);
  if (uid === undefined || uid === process.getuid?.()) return undefined;
  return nameOf(uid) ?? String(uid);
}

function ownerId(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    // It is not there, or a folder above it keeps us out: that folder has the owner we want.
    const above = dirname(path);
    return above === path ? undefined : ownerId(above);
  }
}

function nameOf(uid: number): string | undefined {
  try {
    const users = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
    return users.find(([, , id]) => id === String(uid))?.[0];
  } catch {
    // Without that file, users have numbers only.
    return undefined;
  }
}

/** The command that runs a command of ours as another user. */
export function asUser(user: string, command = 'COMMAND'): string {
  const account = /^\d+$/.test(user) ? `'#${user}'` : user;
  return user === 'root' ? `sudo sallyport ${command}` : `sudo -u ${account} sallyport ${command}`;
}
