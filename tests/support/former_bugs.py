"""Bugs that drawn orders have found, put back as they were: each order that is kept for one is red with it."""

from clankvox.actors.desired_media import MusicWish


def an_heir_of_music_forgets_the_order_that_killed(patch):
    """A stop was lost, and every command behind it waited for two seconds."""

    def revival(self, failure):
        self._under_way = None
        return original(self, failure)

    original = MusicWish.revival
    patch.setattr(MusicWish, "revival", revival)
