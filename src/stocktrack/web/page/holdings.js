// Stand-in.
export function HoldingsView() {
  return null;
}
