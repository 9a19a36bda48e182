import { runService } from '@sallyport/runtime';
import { c8yProxy } from './service.js';

await runService(c8yProxy);
