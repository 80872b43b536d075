// Files that are dropped on the page or pasted into it. They go to a row of pictures that is on show: the one
// in whose view they arrive, or the first.

const rows = new Set(); // {root, take(files)}

export function receiveFiles(row) {
  rows.add(row);
}

function rowFor(target) {
  const shown = [...rows].filter(({ root }) => root.offsetParent !== null);
  return shown.find(({ root }) => root.contains(target)) ?? shown[0];
}

// Without this the browser would leave the page to show the file.
function accept(event) {
  if (!event.dataTransfer.types.includes("Files")) return null;
  event.preventDefault();
  const row = rowFor(event.target);
  event.dataTransfer.dropEffect = row ? "copy" : "none";
  return row;
}

document.addEventListener("dragover", accept);
document.addEventListener("drop", (event) => accept(event)?.take(event.dataTransfer.files));
document.addEventListener("paste", (event) => {
  const { files } = event.clipboardData;
  const row = files.length && rowFor(event.target);
  if (!row) return;
  event.preventDefault();
  row.take(files);
});
