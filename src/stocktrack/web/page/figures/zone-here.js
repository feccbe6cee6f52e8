// The time zone of this browser, by its IANA name.

export function zoneHere() {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
