import { readFileSync } from 'node:fs';

/** Resident memory of a process, in KiB. */
export function residentKilobytes(pid: number): number {
  const [, kilobytes = ''] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes);
}
