export { BlockMemory, type BlockMemoryLimits } from './blocks/block-memory.js';
export { encodeBlock } from './blocks/block-option.js';
export { contentFormats, type Method, methods, type ResponseCode, responseCodes } from './codes.js';
export { encodeMessage } from './encode-message.js';
export { CoapEndpoint, type CoapEndpointOptions } from './endpoint/coap-endpoint.js';
export { defaultEndpointLimits, type EndpointLimits } from './endpoint/limits.js';
export { etagOf } from './etag.js';
export {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type Endpoint,
  type EndReason,
  type Observation,
  type OutgoingRequest,
  type RefusedRequest,
  type RequestHandler,
  type RequestOptions,
} from './exchange.js';
export { optionNumbers } from './option-numbers.js';
