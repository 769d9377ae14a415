/*
 * photos.ts: the pictures that the demo ships, as files that can be uploaded:
 * drawings, which the browser turns into PNG.
 */

export interface Photo {
	name: string;
	label: string;
	url: string;
}

export const PHOTOS: readonly Photo[] = [
	{ name: 'before', label: 'Before', url: '/photos/fence-before.svg' },
	{ name: 'half', label: 'Half done', url: '/photos/fence-half.svg' },
	{ name: 'done', label: 'Finished', url: '/photos/fence-done.svg' },
];

const WIDTH = 640;
const HEIGHT = 400;

/** Gives the picture as a PNG file. */
export async function photoFile({ name, url }: Photo): Promise<File> {
	const image = new Image(WIDTH, HEIGHT);
	image.src = url;
	await image.decode();
	const canvas = document.createElement('canvas');
	canvas.width = WIDTH;
	canvas.height = HEIGHT;
	canvas.getContext('2d')?.drawImage(image, 0, 0, WIDTH, HEIGHT);
	const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
	if (!blob)
		throw new Error('the picture could not be drawn');
	return new File([blob], `fence-${name}.png`, { type: 'image/png' });
}
