import { Injectable } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { certificatesIn, readPasted } from '@sallyport/client-ca';
import {
  type AllowedDevice,
  type DeviceId,
  deviceId,
  type Fingerprint,
  fingerprint,
  type ImportRequest,
  type ImportResponse,
  Problem,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { csvRows } from './csv.js';
import { DeviceLists } from './device-lists.js';
import { Devices } from './devices.js';
import { ListAdministration } from './list-administration.js';

const mostRows = 200;
const headers = ['id', 'id,ssl client certificate'];

/** A row that names a device. */
interface ImportedRow {
  readonly deviceId: DeviceId;
  readonly fingerprint?: Fingerprint;
}

type Fault = ImportResponse['faults'][number];
type ReadRow = { readonly row: ImportedRow } | { readonly fault: string };

/** Puts the devices of CSV files on the allow list. */
@Injectable()
export class DeviceImport {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly administration: ListAdministration,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Reads a part of a file. A row with a fault is left out and reported, and the others count.
   *
   * @throws Problem `invalid-request`: it is no CSV, has another header, or too many rows
   */
  async apply(request: ImportRequest, actor: string): Promise<ImportResponse> {
    const found = new Map<string, ImportedRow>();
    const faults: Fault[] = [];
    let unchanged = 0;
    for (const [index, cells] of rowsOf(request.csv).entries()) {
      const read = readRow(cells);
      const verdict = 'fault' in read ? read.fault : await this.verdictOn(read.row);
      if (verdict === 'registered') unchanged += 1;
      else if (verdict !== undefined)
        faults.push({ row: index + 2, id: (cells[0] ?? '').slice(0, 128), fault: verdict });
      else if ('row' in read) found.set(read.row.deviceId.toLowerCase(), read.row);
    }
    if (request.mode === 'import') await this.allow([...found.values()], request, actor);
    return { allowed: found.size, unchanged, faults };
  }

  /** Why a device cannot be expected, or that it is there already. */
  private async verdictOn({ deviceId: name }: ImportedRow): Promise<string | undefined> {
    if ((await this.devices.find(name)) !== undefined) return 'registered';
    if ((await this.lists.tombstones.find(name)) !== undefined)
      return `A device of this name has been deleted. Release it first: sallyport device release ${name}`;
    if ((await this.lists.denied.find(name)) !== undefined)
      return `This name is denied. Take it off the list first: sallyport device deny --remove ${name}`;
    return undefined;
  }

  private async allow(rows: readonly ImportedRow[], request: ImportRequest, actor: string): Promise<void> {
    if (rows.length === 0) return;
    const { connector, tags } = request;
    const now = this.clock.now();
    const until = await this.administration.endOfWindow(request, now);
    const common = {
      ...(connector === undefined ? {} : { connector }),
      ...(until === undefined ? {} : { until: until.toISOString() }),
      ...(tags === undefined ? {} : { tags }),
      at: now.toISOString(),
      actor,
    };
    const entries = rows.map((row): AllowedDevice => ({ ...row, ...common }));
    const operations = entries.map((entry) => this.lists.allowed.put(entry.deviceId, entry));
    const details = { count: rows.length, first: rows[0]?.deviceId ?? '', last: rows.at(-1)?.deviceId ?? '' };
    const row = { actor, action: 'devices-imported', subject: connector ?? 'any connector', details } as const;
    await this.audit.commit({ operations, entries: [{ ...row, outcome: 'succeeded' }] });
  }
}

/** The rows below the header. @throws Problem `invalid-request` */
function rowsOf(csv: string): string[][] {
  const [header = [], ...rows] = csvRows(csv);
  if (!headers.includes(header.join(',').toLowerCase()))
    throw new Problem(
      'invalid-request',
      'CSV file format invalid: the first line is not "ID" and not "ID, SSL Client Certificate".',
    );
  if (rows.length <= mostRows) return rows;
  throw new Problem('invalid-request', `${rows.length} rows are too many for one request; send ${mostRows} at a time.`);
}

function readRow([id = '', certificate = '', ...others]: readonly string[]): ReadRow {
  if (others.some((cell) => cell !== '')) return { fault: 'The row has more cells than the header.' };
  const name = deviceId.safeParse(id);
  if (!name.success) return { fault: `The ID ${name.error.issues[0]?.message ?? 'is not valid'}.` };
  if (certificate === '') return { row: { deviceId: name.data } };
  const found = readCertificate(certificate);
  return typeof found === 'object' ? found : { row: { deviceId: name.data, fingerprint: found } };
}

/** The fingerprint of the one certificate in a cell; PEM or base64. */
function readCertificate(cell: string): Fingerprint | { readonly fault: string } {
  const { items } = readPasted({ text: cell });
  const [certificate, ...others] = certificatesIn(items);
  if (items.some(({ kind }) => kind === 'private-key'))
    return { fault: 'The cell holds a private key. Never give it to anybody; make a new one.' };
  if (certificate === undefined) return { fault: 'The cell holds no certificate.' };
  if (others.length > 0) return { fault: 'The cell holds more than one certificate; give that of the device only.' };
  return fingerprint.parse(certificate.fingerprint);
}
