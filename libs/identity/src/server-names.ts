import { type HostName, readHost } from '@sallyport/protocol';

/** A name that clients may use and that is in no certificate, and why: `has an underscore …`. */
export interface LeftOutName {
  readonly name: string;
  readonly fault: string;
}

/**
 * The names under which clients reach an entrance: those of this machine, and those of the settings. The name of a machine
 * is often no host name, such as the digits of a container; then `leftOutName` tells about it.
 *
 * @param hostname of the machine
 * @param configured names and addresses
 */
export function serverNames(hostname: string, configured: readonly string[]): HostName[] {
  const wanted = ['localhost', hostname, '127.0.0.1', '::1', ...configured].flatMap(
    (name) => readHost(name).host ?? [],
  );
  return [...new Map(wanted.map((host) => [host.value, host])).values()];
}

/** The name of this machine, if it can be in no certificate. */
export function leftOutName(hostname: string): LeftOutName | undefined {
  const { fault } = readHost(hostname);
  return fault === undefined ? undefined : { name: hostname, fault };
}
