// Dates are only written here, never asked for: the clock is the caller's.

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

/** `2026-11-22 16:40`, local time: what ls prints. */
export function listingTime(timeMs: number): string {
  const time = new Date(timeMs);
  return `${year(time.getFullYear())}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `2026-11-22 16:40:31`, UTC: what stat prints. */
export function statTime(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** `Sun Nov 22 18:25:11 UTC 2026`, local time: what reports print (java.util.Date.toString). */
export function reportTime(timeMs: number): string {
  const time = new Date(timeMs);
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${days[time.getDay()]} ${months[time.getMonth()]} ${two(time.getDate())} ${clock} ${zoneName(time)} ${time.getFullYear()}`;
}

// `UTC`, `CET`, or `+05:30` where the place has no short name.
function zoneName(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  if (minutes === 0 && /\b(?:UTC|Coordinated Universal Time)\b/.test(time.toString())) return 'UTC';
  const name = time.toLocaleTimeString('en-US', { timeZoneName: 'short' }).split(' ').at(-1)!;
  return /^[A-Z]{2,5}$/.test(name) ? name : `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

/** ms since 1970 of `yyyyMMdd:HHmmss` in local time; undefined if it is no such time (touch -t). */
export function parseTouchTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d):(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (!match) return undefined;
  const [years, months, days, hours, minutes, seconds] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  const time = new Date(years, months - 1, days, hours, minutes, seconds);
  const isReal = time.getMonth() === months - 1 && time.getDate() === days && hours < 24 && minutes < 60 && seconds < 60;
  return isReal && time.getTime() >= 0 ? time.getTime() : undefined;
}

function year(value: number): string {
  return String(value).padStart(4, '0');
}
