/*
 * StoryRail.tsx: the steps of the story as buttons: those taken, the next
 * one, and by which SQL the last one was taken.
 */

import type { ReactElement } from 'react';
import { STEPS } from './story.js';
import type { Step } from './story.js';
import type { Story } from './useStory.js';

type StepState = 'done' | 'next' | 'later';

function stateOf(step: Step, story: Story): StepState {
	if (story.next === step)
		return 'next';
	return story.scene && step.done(story.scene) ? 'done' : 'later';
}

function StepButton({ step, story }: { step: Step; story: Story }): ReactElement {
	const state = stateOf(step, story);
	const mayPost = step.id === 'post' && !story.playing;
	const busy = story.running !== null || story.playing;
	return (
		<li data-state={state} data-running={story.running === step.id}>
			<button
				type="button" data-testid={`step-${step.id}`} aria-current={state === 'next' ? 'step' : undefined}
				disabled={!story.scene || busy || (state !== 'next' && !mayPost)} onClick={() => void story.take(step)}
			>
				<span className="step-mark" aria-hidden="true">{state === 'done' ? '✓' : STEPS.indexOf(step) + 1}</span>
				{step.label}
				{state === 'done' && <span className="tc-hidden"> (done)</span>}
			</button>
		</li>
	);
}

export function StoryRail({ story }: { story: Story }): ReactElement {
	return (
		<section className="story" aria-label="The story of a task">
			<div className="story-steps">
				<button type="button" className="play" data-testid="play" aria-pressed={story.playing} disabled={!story.scene} onClick={story.play}>
					<svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
						<path d={story.playing ? 'M3 2h4v12H3zM9 2h4v12H9z' : 'M3 1.500l11 6.500-11 6.500z'} fill="currentColor" />
					</svg>
					{story.playing ? 'Stop' : 'Play the story'}
				</button>
				<ol tabIndex={0} aria-label="Steps">
					{STEPS.map((step) => <StepButton key={step.id} step={step} story={story} />)}
				</ol>
			</div>
			<p className="story-how" role="status" data-error={story.error !== ''}>
				{story.error || <code>{story.how || story.next?.how || ' '}</code>}
			</p>
		</section>
	);
}
