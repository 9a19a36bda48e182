export { quoted } from '@sallyport/config';
