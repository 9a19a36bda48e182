export type {
  Exchange,
  IncomingRequest,
  OutgoingRequest,
  RawStream,
  ResponseHead,
  ResponseWriter,
  ServerConnection,
  ServerLimits,
  ServerOptions,
  UpstreamFigures,
  UpstreamLimits,
  UpstreamPoolOptions,
  UpstreamResponse,
} from './api.js';
export { type Body, type BodySink, BodyTooLarge, collect, noBody, WholeBody } from './body.js';
export { RequestFault, type RequestFaultStatus, UpstreamError, type UpstreamErrorCode } from './faults.js';
export { Fields } from './fields.js';
export { endToEndFields } from './hop-by-hop.js';
export { serveHttp } from './server-connection.js';
export { tunnel } from './tunnel.js';
export { UpstreamPool } from './upstream-pool.js';
