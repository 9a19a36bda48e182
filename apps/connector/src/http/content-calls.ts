import { selectRange } from '@sallyport/http';
import { Problem } from '@sallyport/protocol';
import type { DeviceContact } from '../values/device-values.js';
import type { Content, Contents, OpenContent } from './contents.js';
import { answerProblem, type DeviceCall } from './device-call.js';
import { FileBody } from './file-body.js';
import { queryOf } from './form.js';

export interface ContentCallsOptions {
  readonly contents: Contents;
  /** A device begins to fetch a content. Nothing is sent if it rejects. */
  readonly recordFetch: (device: DeviceContact, content: Content) => Promise<void>;
}

const csvType = ['Content-Type', 'text/csv; charset=utf-8'];
const blobType = 'application/octet-stream';

/** `GET /provision/download`: the list of contents, what is known of one, or its bytes. */
export class ContentCalls {
  constructor(private readonly options: ContentCallsOptions) {}

  async answer(call: DeviceCall, device: DeviceContact): Promise<void> {
    const query = new Map(queryOf(call.request.target));
    const id = query.get('id');
    if (id === undefined) return this.answerList(call, device);
    const content = await this.options.contents.open(device.connector, id);
    if (content === undefined) throw new Problem('not-found', 'There is no content of this id.');
    if (query.get('info') === 'true') {
      await content.file.close();
      call.answer(200, csvType, `${infoOf(content)}\r\n`);
    } else await this.send(call, device, content);
  }

  private async answerList(call: DeviceCall, { connector }: DeviceContact): Promise<void> {
    const contents = await this.options.contents.list(connector);
    call.answer(200, csvType, contents.map(({ id }) => `${id}\r\n`).join(''));
  }

  private async send(call: DeviceCall, device: DeviceContact, content: OpenContent): Promise<void> {
    const { file, bytes, updated } = content;
    const range = selectRange(call.request.fields.get('range'), bytes);
    if (range.kind === 'unsatisfiable') {
      await file.close();
      const problem = new Problem('range-not-satisfiable', `The content has ${bytes} bytes.`);
      return answerProblem(call, problem, ['Content-Range', `bytes */${bytes}`]);
    }
    await this.recordFetch(device, content);
    const [first, length] = range.kind === 'part' ? [range.first, range.last - range.first + 1] : [0, bytes];
    const part = range.kind === 'part' ? ['Content-Range', `bytes ${first}-${range.last}/${bytes}`] : [];
    const fields = [
      'Content-Type',
      blobType,
      'Accept-Ranges',
      'bytes',
      'Last-Modified',
      updated.toUTCString(),
      ...part,
    ];
    call.send({ status: range.kind === 'part' ? 206 : 200, fields }, new FileBody(file, { first, length }));
  }

  private async recordFetch(device: DeviceContact, content: OpenContent): Promise<void> {
    try {
      await this.options.recordFetch(device, content);
    } catch (error) {
      await content.file.close();
      throw error;
    }
  }
}

/** `type,bytes,updated,meta`; the time in seconds since 1970. */
function infoOf({ bytes, updated }: Content): string {
  return `${blobType},${bytes},${Math.floor(updated.getTime() / 1000)},`;
}
