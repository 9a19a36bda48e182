import { Injectable } from '@nestjs/common';
import type { DeviceQuery, DeviceSummary, ExportPart } from '@sallyport/protocol';
import { csvLine } from './csv.js';
import { DeviceQueries } from './device-queries.js';

const header = [
  'ID',
  'Kind',
  'State',
  'Connector',
  'Authority',
  'Registered',
  'Certificate Until',
  'Last Seen',
  'Tags',
];

/** Writes devices as CSV. */
@Injectable()
export class DeviceExport {
  constructor(private readonly queries: DeviceQueries) {}

  /** One page of devices. The first one begins with the header. */
  async part(query: DeviceQuery): Promise<ExportPart> {
    const { devices, cursor } = await this.queries.list(query);
    const lines = devices.map((device) => csvLine(cellsOf(device)));
    const first = query.cursor === undefined ? [csvLine(header)] : [];
    return { csv: [...first, ...lines].join(''), ...(cursor === undefined ? {} : { cursor }) };
  }
}

function cellsOf(device: DeviceSummary): string[] {
  const { deviceId, kind, state, connector, authority, authorityName, registeredAt, notAfter, lastSeenAt, tags } =
    device;
  const tagTexts = Object.entries(tags ?? {}).flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
  return [
    deviceId,
    kind,
    state,
    connector ?? '',
    authorityName ?? authority,
    registeredAt,
    notAfter ?? '',
    lastSeenAt ?? '',
    tagTexts.join(' '),
  ];
}
