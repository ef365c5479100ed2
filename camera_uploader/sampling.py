"""Which of a source's pictures are kept."""


class Sampler:
    """Keeps `fps` pictures a second of a source that makes more.

    Time is cut into slots of 1/fps; a picture that comes within half a slot of the next slot's
    begin is kept. The mean rate is therefore exact, and a source that itself delivers `fps`
    pictures with jitter up to half a slot loses none of them.
    """

    def __init__(self, fps: float) -> None:
        self._slot_s = 1 / fps
        self._last_s = self._next_s = float("-inf")

    def keeps(self, at_s: float) -> bool:
        """Whether the picture made at `at_s` (a monotonic clock, or the video's own) is kept."""
        went_back = at_s < self._last_s
        self._last_s = at_s
        if at_s < self._next_s - self._slot_s / 2 and not went_back:
            return False
        if at_s < self._next_s + self._slot_s and not went_back:
            self._next_s += self._slot_s
        else:
            # The first picture, or one after a gap or a clock set back: the slots begin anew.
            self._next_s = at_s + self._slot_s
        return True
